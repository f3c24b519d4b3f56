package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Parameters;

/**
 * Speed of a run. Model FLOPs utilization (MFU, Chowdhery et al. 2022) is {@code 6 N T} per second over the peak of the
 * device, without attention: N parameters, T tokens that the decoder computes, of which a shared prompt counts once.
 *
 * @param parameters N
 * @param peak dense bf16 FLOP per second of the device; 0 if it is unknown
 */
record Throughput(long parameters, double peak) {
    private static final double FLOPS_PER_PARAMETER = 6;

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

    static Throughput find(Parameters parameters) {
        return new Throughput(
                parameters.parameterCount(),
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
            metrics.put("mfu", FLOPS_PER_PARAMETER * parameters * decoderTokens / (seconds * peak));
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
                        "share of %.0f TFLOP/s, the dense bfloat16 peak; 6 FLOP per weight and token",
                        peak / 1e12)
                : "unknown: the peak of this device and dtype is not known";
    }
}
