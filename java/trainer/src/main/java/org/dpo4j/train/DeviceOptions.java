package org.dpo4j.train;

import java.util.function.Consumer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import picocli.CommandLine.Option;

/** The device that a command runs on. */
public final class DeviceOptions extends OptionGroup {

    /** {@code auto}, {@code cuda} or {@code cpu}. */
    @Option(
            names = "--device",
            completionCandidates = OptionCandidates.Devices.class,
            description = "auto, cuda or cpu; default ${DEFAULT-VALUE}.")
    String device = "auto";

    /**
     * Opens the device.
     *
     * @param notice receives the reason if {@code auto} selects the cpu
     */
    public Device open(Consumer<String> notice) {
        return Devices.open(device, notice);
    }

    /** The value of {@code device}. */
    public String name() {
        return device;
    }
}
