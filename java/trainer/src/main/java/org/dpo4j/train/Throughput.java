package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;

/**
 * Speed of a run. Model FLOPs utilization (MFU, Chowdhery et al. 2022) is {@code 6 N T} per second over the peak of the
 * device, without attention: N parameters, T tokens that the decoder computes, of which a shared prompt counts once. Frozen
 * weights have no gradient, so with an adapter it is {@code 4 N T}.
 *
 * @param parameters N
 * @param flopsPerParameter 6 or 4
 * @param peak dense bf16 FLOP per second of the device; 0 if it is unknown
 */
record Throughput(long parameters, int flopsPerParameter, double peak) {

    /** Dense bf16 TFLOP/s of NVIDIA's data sheets, by a part of the device's name; the first that matches counts. */
    private static final Map<String, Double> PEAKS = new LinkedHashMap<>();

    static {
        PEAKS.put("B200", 2250.0);
        PEAKS.put("H200", 989.0);
        PEAKS.put("H100 PCIe", 756.0);
        PEAKS.put("H100", 989.0);
        PEAKS.put("A100", 312.0);
        PEAKS.put("L40S", 362.0);
        PEAKS.put("L4", 121.0);
    }

    static Throughput find(Model model) {
        Parameters parameters = model.parameters();
        return new Throughput(
                parameters.parameterCount(),
                model.adapter() == null ? 6 : 4,
                parameters.dtype() == DType.BF16 ? peak(parameters.device().description()) : 0);
    }

    /** The peak of a device, by its description; 0 if it is unknown. */
    static double peak(String description) {
        return PEAKS.entrySet().stream()
                .filter(known -> description.matches(".*\\b" + known.getKey() + "\\b.*"))
                .mapToDouble(known -> known.getValue() * 1e12)
                .findFirst()
                .orElse(0);
    }

    /** Adds {@code tokens_per_second}, and {@code mfu} if the peak is known. */
    void addTo(Map<String, Double> metrics, long tokens, long decoderTokens, double seconds) {
        metrics.put("tokens_per_second", tokens / seconds);
        if (peak > 0) {
            metrics.put("mfu", (double) flopsPerParameter * parameters * decoderTokens / (seconds * peak));
        }
    }

    /** One line for a run header; empty for a device that has no MFU. */
    String fact(Device device) {
        if (device.name().equals("cpu")) {
            return "";
        }
        return peak > 0
                ? String.format(
                        Locale.ROOT,
                        "share of %.0f TFLOP/s, the dense bfloat16 peak; %d FLOP per weight and token",
                        peak / 1e12,
                        flopsPerParameter)
                : "unknown: the peak of this device and dtype is not known";
    }
}
