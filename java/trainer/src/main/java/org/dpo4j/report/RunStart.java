package org.dpo4j.report;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a run begins with, known after all checks.
 *
 * @param trainer name of the command that trains so: dpo, kto or sft
 * @param directory the run's output directory
 * @param options the options that have a value, as text, by TRL's names
 * @param memory planned device memory in bytes, by what it holds
 * @param step optimizer steps done: 0, or the step of the checkpoint that the run goes on from
 * @param steps optimizer steps of the whole run
 * @param history lines of metrics up to {@code step}, from the checkpoint
 */
public record RunStart(
        String trainer,
        Path directory,
        Map<String, String> options,
        Map<String, Long> memory,
        int step,
        int steps,
        List<Metrics> history) {

    public RunStart {
        options = Collections.unmodifiableMap(new LinkedHashMap<>(options));
        memory = Collections.unmodifiableMap(new LinkedHashMap<>(memory));
        history = List.copyOf(history);
    }

    /** The same run when it begins after {@code step} steps. */
    public RunStart at(int step, List<Metrics> history) {
        return new RunStart(trainer, directory, options, memory, step, steps, history);
    }

    /** Whether the run goes on from a checkpoint. */
    public boolean isResumed() {
        return step > 0;
    }
}
