package org.dpo4j.kernels;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The devices of this machine; for a device that cannot be used, the reason and what to do. Made by {@link
 * Devices#report}. The names of the components are the keys of {@code doctor --json}.
 *
 * @param version version of dpo4j
 * @param java version and vendor of the running Java
 * @param system operating system and architecture
 * @param build {@code dpo4j_build_info} of the native library; null if it could not be loaded
 * @param versions versions of the libraries that were found, by name: JavaCPP, CUDA preset, oneDNN, CUDA runtime,
 *     cuBLASLt
 * @param cpu the {@code cpu} device
 * @param cuda the {@code cuda} devices
 */
public record DeviceReport(
        String version,
        String java,
        String system,
        @Nullable String build,
        Map<String, String> versions,
        Cpu cpu,
        Cuda cuda) {

    public DeviceReport {
        versions = Collections.unmodifiableMap(new LinkedHashMap<>(versions));
    }

    /**
     * The {@code cpu} device.
     *
     * @param usable whether {@link Devices#cpu} works
     * @param reason why it does not work, or null
     * @param model model name of the processor
     * @param cores number of cores that the process may use
     * @param instructionSet the instruction set that is used; null if the device is not usable
     * @param instructionSets the instruction sets that the processor supports, narrowest first
     * @param matmul the path of oneDNN, or why matrix products do not work
     */
    public record Cpu(
            boolean usable,
            @Nullable String reason,
            String model,
            int cores,
            @Nullable String instructionSet,
            List<String> instructionSets,
            String matmul) {}

    /**
     * The {@code cuda} devices.
     *
     * @param usable whether {@link Devices#cuda} works on at least one GPU
     * @param reason why it does not work, or null
     * @param driver version of NVIDIA's kernel driver; null if there is none
     * @param driverNeeded the min version of the driver
     * @param gpus the GPUs that the driver offers
     * @param libraries paths of NVIDIA's libraries; empty if the system's loader has to find them
     * @param searched directories that were searched for these libraries; some are glob patterns
     * @param without kernels that {@code DPO4J_WITHOUT} turns off
     */
    public record Cuda(
            boolean usable,
            @Nullable String reason,
            @Nullable String driver,
            String driverNeeded,
            List<Gpu> gpus,
            List<String> libraries,
            List<String> searched,
            List<String> without) {}

    /**
     * One GPU.
     *
     * @param ordinal its number for {@link Devices#cuda}
     * @param name the driver's name for it
     * @param capability compute capability, such as {@code "9.0"}
     * @param memoryBytes bytes of its memory
     * @param maxCluster max blocks of a thread block cluster, 1 if it has no clusters; null if it cannot be used or was
     *     not asked (asking creates a CUDA context)
     * @param reason why it cannot be used, or null
     */
    public record Gpu(
            int ordinal,
            String name,
            String capability,
            long memoryBytes,
            @Nullable Integer maxCluster,
            @Nullable String reason) {}
}
