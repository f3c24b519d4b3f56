package org.dpo4j.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.dpo4j.data.TokenizerLibrary;
import org.dpo4j.io.JsonErrors;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunHeader;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code dpo4j doctor}: shows what this machine has, and why a device cannot be used. Exits 0 if the device that {@code
 * --device} names can be used (default: the cpu), else 1.
 */
@Command(name = "doctor", description = "Show devices, libraries and versions, and why a device cannot be used.")
final class DoctorCommand implements Callable<Integer> {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .defaultPropertyInclusion(
                    JsonInclude.Value.construct(JsonInclude.Include.NON_NULL, JsonInclude.Include.NON_NULL))
            .build();

    @Option(names = "--json", arity = "0..1", fallbackValue = "true", description = "Print one JSON object.")
    private boolean json = false;

    @Option(names = "--device", description = "Exit 1 if this device, cuda or cpu, cannot be used (default: cpu).")
    private String device = "cpu";

    @Override
    public Integer call() {
        if (!List.of("cpu", "cuda").contains(device)) {
            throw new Dpo4jException("device " + device + " is unknown: use cuda or cpu");
        }
        DeviceReport report = Devices.report();
        TokenizerLibrary tokenizers = TokenizerLibrary.probe();
        Output.standard()
                .println(json ? json(report, tokenizers) : new RunHeader(facts(report, tokenizers)).toString());
        boolean isUsable =
                device.equals("cuda") ? report.cuda().usable() : report.cpu().usable();
        return isUsable ? 0 : 1;
    }

    private static String json(DeviceReport report, TokenizerLibrary tokenizers) {
        try {
            ObjectNode whole = JSON.valueToTree(report);
            ObjectNode library = whole.putObject("tokenizers")
                    .put("usable", tokenizers.reason() == null)
                    .put("version", tokenizers.version())
                    .put("directory", tokenizers.directory().toString());
            if (tokenizers.reason() != null) {
                library.put("reason", tokenizers.reason());
            }
            return JSON.writeValueAsString(whole);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException("the report cannot be written as JSON: " + JsonErrors.reason(e), e);
        }
    }

    private static Map<String, String> facts(DeviceReport report, TokenizerLibrary tokenizers) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("dpo4j", report.version());
        facts.put("java", report.java());
        facts.put("system", report.system());
        facts.put("native library", report.build() == null ? "not loaded" : report.build());
        facts.put(
                "library versions",
                report.versions().entrySet().stream()
                        .map(library -> library.getKey() + " " + library.getValue())
                        .collect(Collectors.joining(", ")));
        facts.put("tokenizers", usable(tokenizers.problem()));
        facts.put("tokenizers library", tokenizers.version() + " in " + tokenizers.directory());
        putCpu(facts, report.cpu());
        putCuda(facts, report.cuda());
        return facts;
    }

    private static void putCpu(Map<String, String> facts, DeviceReport.Cpu cpu) {
        facts.put("cpu", usable(cpu.reason()));
        facts.put("cpu model", cpu.model() + ", " + cpu.cores() + " cores");
        String inUse = cpu.instructionSet() == null ? "" : ", " + cpu.instructionSet() + " in use";
        facts.put("cpu instructions", String.join(", ", cpu.instructionSets()) + inUse);
        facts.put("cpu matmul", cpu.matmul());
    }

    private static void putCuda(Map<String, String> facts, DeviceReport.Cuda cuda) {
        facts.put("cuda", usable(cuda.reason()));
        facts.put(
                "cuda driver",
                (cuda.driver() == null ? "none" : cuda.driver()) + ", needs " + cuda.driverNeeded() + " or newer");
        for (DeviceReport.Gpu gpu : cuda.gpus()) {
            facts.put(
                    "gpu " + gpu.ordinal(),
                    "%s, compute capability %s, %.1f GiB%s: %s"
                            .formatted(
                                    gpu.name(),
                                    gpu.capability(),
                                    gpu.memoryBytes() / 0x1p30,
                                    gpu.maxCluster() == null ? "" : ", clusters of up to " + gpu.maxCluster(),
                                    usable(gpu.reason())));
        }
        if (!cuda.without().isEmpty()) {
            facts.put("cuda kernels off", String.join(", ", cuda.without()));
        }
        facts.put("cuda libraries", cuda.libraries().isEmpty() ? "none found" : String.join(", ", cuda.libraries()));
        if (!cuda.searched().isEmpty()) {
            facts.put("cuda searched", String.join(", ", cuda.searched()));
        }
    }

    private static String usable(@Nullable String reason) {
        return reason == null ? "usable" : "not usable: " + reason;
    }
}
