package org.dpo4j.kernels;

import java.util.function.Consumer;
import org.dpo4j.kernels.internal.CpuDevice;
import org.dpo4j.kernels.internal.CudaDevice;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Reports;

/** Opens devices. If a device cannot be opened, throws a {@link Dpo4jException} that says why and what to do. */
public final class Devices {
    private static final System.Logger LOG = System.getLogger("org.dpo4j.kernels");

    private Devices() {}

    /** {@link #open(String, Consumer)} with a notice that is logged as a warning. */
    public static Device open(String name) {
        return open(name, reason -> LOG.log(System.Logger.Level.WARNING, reason));
    }

    /**
     * Opens a device by name.
     *
     * @param name {@code "cuda"}: the first usable GPU; {@code "cpu"}: all cores; {@code "auto"}: cuda if it is usable,
     *     else cpu
     * @param notice receives one sentence that says why {@code "auto"} opened cpu
     */
    public static Device open(String name, Consumer<String> notice) {
        return switch (name) {
            case "cpu" -> cpu(0);
            case "cuda" -> cuda(firstUsable(Reports.cuda()));
            case "auto" -> auto(notice);
            default -> throw new Dpo4jException("device " + name + " is unknown: use auto, cuda or cpu");
        };
    }

    /** Reports on the devices of this machine. Never throws. */
    public static DeviceReport report() {
        return Reports.probe();
    }

    private static Device auto(Consumer<String> notice) {
        DeviceReport.Cuda report = Reports.cuda();
        if (report.usable()) {
            return cuda(firstUsable(report));
        }
        CudaSettings.checkProcess(); // a misspelt kernel name is an error, and no reason to fall back to cpu
        notice.accept("running on cpu, because cuda cannot be used: " + report.reason());
        return cpu(0);
    }

    private static int firstUsable(DeviceReport.Cuda report) {
        return report.gpus().stream()
                .filter(gpu -> gpu.reason() == null)
                .findFirst()
                .orElseThrow(() -> new Dpo4jException("cuda cannot be used: " + report.reason()))
                .ordinal();
    }

    /**
     * Opens the cpu.
     *
     * @param threads number of threads; 0 for as many as the process may use
     */
    public static Device cpu(int threads) {
        return CpuDevice.open(threads);
    }

    /** Opens a GPU with a new stream. */
    public static Device cuda(int ordinal) {
        return CudaDevice.open(ordinal);
    }

    /**
     * Opens a GPU on a stream that the caller owns.
     *
     * @param stream a {@code cudaStream_t} that the caller closes after the device; 0 is the default stream
     */
    public static Device cuda(int ordinal, long stream) {
        return CudaDevice.open(ordinal, stream);
    }
}
