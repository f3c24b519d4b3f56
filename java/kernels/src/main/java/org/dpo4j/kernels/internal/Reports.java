package org.dpo4j.kernels.internal;

import java.net.URL;
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
        try {
            NativeLibrary.load();
        } catch (Dpo4jException e) {
            String reason = String.valueOf(e.getMessage());
            Cpu cpu = new Cpu(false, reason, Processor.model(), Processor.cores(), null, List.of(), matmul());
            Cuda cuda = new Cuda(false, reason, null, CudaProbe.DRIVER_NEEDED, List.of(), List.of(), List.of());
            return new DeviceReport(NativeLibrary.version(), java, system, null, cpu, cuda);
        }
        String build = Native.dpo4j_build_info();
        return new DeviceReport(NativeLibrary.version(), java, system, build, cpu(), CudaProbe.probe());
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
        return new Cpu(reason == null, reason, Processor.model(), Processor.cores(), set, available, matmul());
    }

    private static String matmul() {
        URL library = OneDnn.find();
        return library == null ? OneDnn.missing() : "oneDNN from " + library;
    }
}
