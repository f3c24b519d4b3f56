package org.dpo4j.kernels.internal;

import java.util.List;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.DeviceReport.Cpu;
import org.dpo4j.kernels.DeviceReport.Cuda;
import org.dpo4j.kernels.Dpo4jException;

/** Fills in a {@link DeviceReport}. */
public final class Reports {
    private Reports() {}

    public static DeviceReport probe() {
        String java = System.getProperty("java.version") + " " + System.getProperty("java.vendor");
        String system = System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                + System.getProperty("os.arch");
        String version = NativeLibrary.version();
        try {
            NativeLibrary.load();
        } catch (Dpo4jException e) {
            String reason = String.valueOf(e.getMessage());
            Cpu cpu = new Cpu(false, reason, Processor.model(), Processor.cores(), null, List.of(), OneDnn.find());
            return new DeviceReport(
                    version, java, system, null, LibraryVersions.ofBindings(), cpu, withoutNatives(reason));
        }
        Cuda cuda = CudaProbe.withDeviceFacts(CudaProbe.probe());
        return new DeviceReport(
                version, java, system, Native.dpo4j_build_info(), LibraryVersions.of(cuda), cpu(), cuda);
    }

    /** Of cuda alone: touches nothing that only cpu needs. */
    public static Cuda cuda() {
        try {
            NativeLibrary.load();
        } catch (Dpo4jException e) {
            return withoutNatives(String.valueOf(e.getMessage()));
        }
        return CudaProbe.probe();
    }

    private static Cuda withoutNatives(String reason) {
        return new Cuda(false, reason, null, CudaProbe.DRIVER_NEEDED, List.of(), List.of(), List.of(), List.of());
    }

    private static Cpu cpu() {
        List<String> available = InstructionSet.names(InstructionSet.available());
        String set = null;
        String reason = null;
        try {
            set = InstructionSet.chosen().option();
        } catch (Dpo4jException e) {
            reason = e.getMessage();
        }
        return new Cpu(reason == null, reason, Processor.model(), Processor.cores(), set, available, OneDnn.describe());
    }
}
