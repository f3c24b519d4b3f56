package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Clock, power and temperature of the GPU during the benchmarks, read from one {@code nvidia-smi} process. If there is
 * no {@code nvidia-smi}, or several GPUs and no index in CUDA_VISIBLE_DEVICES, there are no numbers, and the results
 * say why.
 */
final class MachineState implements AutoCloseable {
    private static final List<String> QUERY =
            List.of("--query-gpu=clocks.sm,power.draw,temperature.gpu", "--format=csv,noheader,nounits", "-lms", "200");
    private static final Pattern NUMBERS = Pattern.compile("\\s*([\\d.]+)\\s*,\\s*([\\d.]+)\\s*,\\s*([\\d.]+)\\s*");

    private record Look(double megahertz, double watts, double celsius) {}

    private final @Nullable Process process;
    private final String source;
    private final List<Look> looks = new ArrayList<>();
    private volatile @Nullable Look latest;

    private MachineState(@Nullable Process process, String source) {
        this.process = process;
        this.source = source;
    }

    /** Starts to watch the first GPU that this process may see. */
    static MachineState watch(Map<String, String> environment) {
        Path program = find("nvidia-smi", environment);
        if (program == null) {
            return none("nvidia-smi is not on PATH");
        }
        try {
            String visible = environment.getOrDefault("CUDA_VISIBLE_DEVICES", "");
            long gpus =
                    output(List.of(program.toString(), "--list-gpus")).lines().count();
            if (gpus > 1 && !visible.matches("\\d+")) {
                return none("nvidia-smi lists " + gpus + " GPUs, and CUDA_VISIBLE_DEVICES is no index of one");
            }
            List<String> command =
                    new ArrayList<>(List.of(program.toString(), "-i", visible.matches("\\d+") ? visible : "0"));
            command.addAll(QUERY);
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            MachineState state = new MachineState(process, "nvidia-smi");
            Thread reader = new Thread(() -> state.read(process), "nvidia-smi");
            reader.setDaemon(true);
            reader.start();
            return state;
        } catch (IOException e) {
            return none(program + " does not run: " + e.getMessage());
        }
    }

    /** The file of a program on PATH; null if there is none. */
    private static @Nullable Path find(String name, Map<String, String> environment) {
        for (String directory : environment.getOrDefault("PATH", "").split(":", -1)) {
            Path program = Path.of(directory, name);
            if (!directory.isEmpty() && Files.isExecutable(program)) {
                return program;
            }
        }
        return null;
    }

    /** Runs a command and returns its standard output. */
    private static String output(List<String> command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    static MachineState none(String reason) {
        return new MachineState(null, reason);
    }

    private void read(Process program) {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(program.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                var numbers = NUMBERS.matcher(line);
                if (numbers.matches()) {
                    latest = new Look(
                            Double.parseDouble(numbers.group(1)),
                            Double.parseDouble(numbers.group(2)),
                            Double.parseDouble(numbers.group(3)));
                }
            }
        } catch (IOException e) {
            latest = null; // it was stopped
        }
    }

    /** Where the numbers come from, or why there are none. */
    String source() {
        return source;
    }

    /** Remembers the latest numbers for {@link #report}. */
    void look() {
        Look now = latest;
        if (now != null) {
            looks.add(now);
        }
    }

    /** Writes the numbers since the last report: median and min clock, mean power, max temperature, and all values. */
    void report(ObjectNode row) {
        if (!looks.isEmpty()) {
            List<Double> clocks =
                    new ArrayList<>(looks.stream().map(Look::megahertz).toList());
            Collections.sort(clocks);
            row.put("sm_mhz", clocks.get(clocks.size() / 2));
            row.put("sm_mhz_lowest", clocks.get(0));
            row.put("watts", looks.stream().mapToDouble(Look::watts).average().orElseThrow());
            row.put("celsius", looks.stream().mapToDouble(Look::celsius).max().orElseThrow());
            looks.forEach(look -> row.withArray("round_sm_mhz").add(look.megahertz));
            looks.forEach(look -> row.withArray("round_watts").add(look.watts));
            looks.forEach(look -> row.withArray("round_celsius").add(look.celsius));
        }
        looks.clear();
    }

    @Override
    public void close() {
        if (process != null) {
            process.destroy();
        }
    }
}
