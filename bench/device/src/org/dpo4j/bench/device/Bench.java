package org.dpo4j.bench.device;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.dpo4j.cli.NearestName;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The command: {@code ./bench}. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description =
                "Times every operation beside the rooflines of this machine, and others' beside ours; writes JSON.")
final class Bench implements Callable<Integer> {
    private static final int FAILED = 1;
    private static final int NOT_UNDERSTOOD = 2;
    /** For a benchmark that began before the deadline: {@code --quick} promises eight minutes. */
    private static final double GRACE_SECONDS = 20;

    @Option(
            names = "--quick",
            description = "under eight minutes: shorter rounds, 0.8 s of sustained work instead of 20 s")
    boolean quick;

    @Option(names = "--only", split = ",", description = "benchmarks, or the beginning of their names; all without it")
    List<String> only = List.of();

    @Option(names = "--device", description = "cuda (the default), or cpu: tiny sizes, to see it run")
    String device = "cuda";

    @Option(names = "--cuda", description = "directory of NVIDIA's CUDA 13 libraries")
    @Nullable
    Path cuda;

    @Option(names = "--output", description = "directory of the results; ./results without it")
    Path output = Path.of("results");

    @Option(
            names = "--peers",
            description = "folder of Python packages or wheels of other libraries, put first on sys.path")
    @Nullable
    Path peers;

    @Option(names = "--list", description = "names of the benchmarks")
    boolean list;

    @Option(names = "--script", hidden = true, description = "bench/peers/gpu.py")
    Path script = Path.of("bench/peers/gpu.py");

    @Option(names = "--commit", hidden = true)
    String commit = "unknown";

    private final PrintStream out;
    private final Map<String, String> environment;

    private Bench(PrintStream out, Map<String, String> environment) {
        this.out = out;
        this.environment = environment;
    }

    public static void main(String[] arguments) {
        System.exit(run(arguments, System.out, System.getenv()));
    }

    /** Runs the command; returns its exit code: 0 only where nothing failed. */
    static int run(String[] arguments, PrintStream out, Map<String, String> environment) {
        CommandLine command = new CommandLine(new Bench(out, environment));
        command.setParameterExceptionHandler((e, words) -> {
            out.println("bench: error: " + e.getMessage());
            return NOT_UNDERSTOOD;
        });
        command.setExecutionExceptionHandler((e, line, parsed) -> {
            out.println("bench: error: " + (e instanceof Dpo4jException ? e.getMessage() : e));
            return FAILED;
        });
        return command.execute(arguments);
    }

    @Override
    public Integer call() {
        if (list) {
            Benchmarks.ALL.forEach(benchmark -> out.println(benchmark.name()));
            return 0;
        }
        if (!List.of("cuda", "cpu").contains(device)) {
            throw new Dpo4jException("device " + device + " is unknown: use cuda or cpu");
        }
        List<Benchmark> chosen = chosen();
        if (cuda != null) {
            System.setProperty("dpo4j.cuda.path", cuda.toString());
        }
        Devices.open(device).close(); // throws, naming what is missing, before anything is written
        boolean emulated = String.valueOf(DeviceReport.probe().build()).contains("emulated=1");
        boolean tiny = emulated || device.equals("cpu");
        Pace pace = tiny ? Pace.LOOK : quick ? Pace.QUICK : Pace.FULL;
        try (MachineState state = tiny ? MachineState.none("not asked") : MachineState.watch(environment);
                Deadline deadline = new Deadline(pace.deadlineSeconds(), GRACE_SECONDS)) {
            String kind = device.equals("cpu") ? "cpu" : emulated ? "emulated" : "cuda";
            Results results =
                    new Results(output, kind, commit, tiny ? "look" : quick ? "quick" : "full", state.source());
            Runner runner = new Runner(() -> Devices.open(device), tiny, pace, deadline, state, results, out);
            deadline.enforce(() -> cut(runner, results));
            runner.run(chosen);
            runner.peers(chosen, script, peers, emulated ? "cpu" : device, environment);
            results.write();
            return end(results);
        }
    }

    private int end(Results results) {
        out.println("bench: " + results.measured() + " measured, " + results.absences() + " not run, "
                + results.failures() + " failed; wrote " + results.file());
        return results.failures() == 0 ? 0 : FAILED;
    }

    /** Ends the process, and others it has started, in the middle of what the main thread waits for. */
    private void cut(Runner runner, Results results) {
        runner.cut();
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
        System.exit(end(results));
    }

    private List<Benchmark> chosen() {
        if (only.isEmpty()) {
            return Benchmarks.ALL;
        }
        Set<Benchmark> chosen = new LinkedHashSet<>();
        List<String> names = Benchmarks.ALL.stream().map(Benchmark::name).toList();
        for (String name : only) {
            List<Benchmark> found = Benchmarks.ALL.stream()
                    .filter(benchmark -> benchmark.name().equals(name))
                    .toList();
            if (found.isEmpty()) {
                found = Benchmarks.ALL.stream()
                        .filter(benchmark -> benchmark.name().startsWith(name))
                        .toList();
            }
            if (found.isEmpty()) {
                throw new Dpo4jException("no benchmark is called " + name + NearestName.suggestion(name, names)
                        + " (./bench --list names them)");
            }
            chosen.addAll(found);
        }
        return List.copyOf(chosen);
    }
}
