package org.dpo4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.LocalDate;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Devices;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.util.Statistics;

/** Runs benchmarks as JMH's command line would, and writes what {@code org.dpo4j.bench.device.Performance} reads: {@code Run RESULT.json COMMIT [JMH arguments]}. */
final class Run {
    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private Run() {}

    public static void main(String[] arguments) throws Exception {
        String[] jmh = java.util.Arrays.copyOfRange(arguments, 2, arguments.length);
        ObjectNode file = JSON.createObjectNode();
        DeviceReport report = Devices.report();
        file.put("date", LocalDate.now(java.time.ZoneOffset.UTC).toString());
        file.put("commit", arguments[1]);
        file.put("processor", report.cpu().model());
        file.put("cores", Runtime.getRuntime().availableProcessors());
        file.put("instructions", report.cpu().instructionSet());
        file.put("software", "Java " + Runtime.version());
        ArrayNode results = file.putArray("results");
        for (RunResult result : new Runner(new CommandLineOptions(jmh)).run()) {
            results.add(row(result));
        }
        JSON.writeValue(Path.of(arguments[0]).toFile(), file);
    }

    private static ObjectNode row(RunResult result) {
        ObjectNode row = JSON.createObjectNode();
        row.put("benchmark", result.getParams().getBenchmark().replaceFirst(".*\\.(\\w+)Benchmark\\.", "$1."));
        ObjectNode parameters = row.putObject("parameters");
        for (String key : result.getParams().getParamsKeys()) {
            parameters.put(key, result.getParams().getParam(key));
        }
        String benchmark = row.get("benchmark").asText();
        if (benchmark.startsWith("TokenLogProb.")) {
            row.put("elements", elements(parameters));
        } else if (benchmark.startsWith("Memory.")) {
            row.put("elements", ((long) parameters.get("megabytes").asInt() << 20) / Float.BYTES);
        }
        Statistics microseconds = result.getPrimaryResult().getStatistics();
        row.put("samples", microseconds.getN());
        row.put("p20_us", microseconds.getPercentile(20));
        row.put("median_us", microseconds.getPercentile(50));
        row.put("p80_us", microseconds.getPercentile(80));
        return row;
    }

    private static long elements(ObjectNode parameters) {
        int vocabulary = parameters.get("vocabulary").asInt();
        int megabytes = parameters.get("megabytes").asInt();
        DType dtype = DType.valueOf(parameters.get("dtype").asText());
        return (long) TokenLogProbBenchmark.rows(vocabulary, dtype, megabytes) * vocabulary;
    }
}
