package org.dpo4j.kernels;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What this machine has for dpo4j, and for each device that cannot be used, exactly why and what to do. {@link
 * Devices#report} makes one.
 *
 * @param version of these classes
 * @param java version and vendor of the running Java
 * @param system operating system and architecture
 * @param build {@code key=value} facts of the native library: version, compiler, CUDA architectures; null where it
 *     could not be loaded
 * @param versions of the libraries beneath, by name: JavaCPP, CUDA preset, oneDNN, CUDA runtime, cuBLASLt; without those
 *     that are not there
 * @param cpu the processor
 * @param cuda NVIDIA's
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
     * @param reason why not, or null
     * @param model name of the processor
     * @param cores that the process may use
     * @param instructionSet in use; null where not usable
     * @param instructionSets that the processor runs, narrowest first
     * @param matmul where oneDNN was found; or what is missing for matrix products
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
     * The {@code cuda} device.
     *
     * @param usable whether {@link Devices#cuda} works, for the GPUs without a reason
     * @param reason why not, or null
     * @param driver version of NVIDIA's kernel driver; null for none
     * @param driverNeeded the oldest that works
     * @param gpus that the driver offers
     * @param libraries NVIDIA's, as found; empty leaves them to the system's loader
     * @param searched directories they were looked for in, as patterns where names vary
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
     * @param ordinal what {@link Devices#cuda} takes
     * @param name as the driver says
     * @param capability compute capability, {@code "9.0"}
     * @param memoryBytes all of its memory
     * @param maxCluster the number of blocks that a thread block cluster may have, 1 for no clusters; null where the GPU
     *     cannot be used or was not asked, which takes a context on it
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
