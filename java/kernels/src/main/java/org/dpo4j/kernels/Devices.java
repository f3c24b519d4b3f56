package org.dpo4j.kernels;

import java.util.function.Consumer;
import org.dpo4j.kernels.internal.CpuDevice;
import org.dpo4j.kernels.internal.CudaDevice;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Reports;

/** Opens devices. A device that cannot be had throws a {@link Dpo4jException} saying why and what to do. */
public final class Devices {
    private static final System.Logger LOG = System.getLogger("org.dpo4j.kernels");

    private Devices() {}

    /** As {@link #open(String, Consumer)}, with the reason logged as a warning. */
    public static Device open(String name) {
        return open(name, reason -> LOG.log(System.Logger.Level.WARNING, reason));
    }

    /**
     * The device a user names.
     *
     * @param name {@code "cuda"}: the first GPU that can be used; {@code "cpu"}: all cores; {@code "auto"}: cuda where
     *     it can be used, else cpu
     * @param notice told, in one sentence, why {@code "auto"} did not take cuda
     */
    public static Device open(String name, Consumer<String> notice) {
        return switch (name) {
            case "cpu" -> cpu(0);
            case "cuda" -> cuda(usable(Reports.cuda()));
            case "auto" -> auto(notice);
            default -> throw new Dpo4jException("device " + name + " is unknown: use auto, cuda or cpu");
        };
    }

    /** Looks at this machine. Never throws. */
    public static DeviceReport report() {
        return Reports.probe();
    }

    private static Device auto(Consumer<String> notice) {
        DeviceReport.Cuda report = Reports.cuda();
        if (report.usable()) {
            return cuda(usable(report));
        }
        CudaSettings.checkProcess(); // a misspelt name is an error of the user's, no lack of this machine's
        notice.accept("running on cpu, because cuda cannot be used: " + report.reason());
        return cpu(0);
    }

    private static int usable(DeviceReport.Cuda report) {
        return report.gpus().stream()
                .filter(gpu -> gpu.reason() == null)
                .findFirst()
                .orElseThrow(() -> new Dpo4jException("cuda cannot be used: " + report.reason()))
                .ordinal();
    }

    /**
     * The processor.
     *
     * @param threads 0 for as many as the process may use
     */
    public static Device cpu(int threads) {
        return CpuDevice.open(threads);
    }

    /** A GPU, with a stream of its own. */
    public static Device cuda(int ordinal) {
        return CudaDevice.open(ordinal);
    }

    /**
     * A GPU, on a stream of the caller's.
     *
     * @param stream a {@code cudaStream_t}, which must outlive the device and is not closed with it; 0 is the default
     *     stream
     */
    public static Device cuda(int ordinal, long stream) {
        return CudaDevice.open(ordinal, stream);
    }
}
