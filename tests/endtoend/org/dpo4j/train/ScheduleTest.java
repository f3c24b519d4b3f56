package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;

/** Learning rates against those of transformers' {@code get_scheduler}. */
class ScheduleTest {

    @Test
    void ratesAreTransformers() {
        for (JsonNode golden : TestFiles.json(TestFiles.golden("training.json")).get("schedules")) {
            Schedule schedule = new Schedule(
                    type(golden.get("name").textValue()),
                    OptionMap.parse(golden.get("kwargs").toString()),
                    3,
                    golden.get("warmup").intValue(),
                    golden.get("steps").intValue());
            for (int step = 0; step < schedule.steps(); step++) {
                double expected = golden.get("rates").get(step).doubleValue();
                // both are a few double operations on numbers near 3
                assertThat(schedule.rate(step)).as("%s, step %d", golden, step).isCloseTo(expected, within(1e-14));
            }
        }
    }

    @Test
    void aWarmupWithoutEffectOrWithoutEndIsRefused() {
        assertRefused(() -> new Schedule(LrSchedulerType.CONSTANT, 1, 2, 10), "constant_with_warmup");
        assertRefused(() -> new Schedule(LrSchedulerType.LINEAR, 1, 11, 10), "warmup_steps is 11");
    }

    @Test
    void kwargsThatTheTypeDoesNotReadAreRefused() {
        assertRefusedKwargs(LrSchedulerType.LINEAR, "num_cycles=2", "lr_scheduler_kwargs has num_cycles", "reads none");
        assertRefusedKwargs(LrSchedulerType.COSINE, "{\"num_cycle\": 1}", "num_cycle, which", "it reads num_cycles");
        assertRefusedKwargs(LrSchedulerType.COSINE, "num_cycles=two", "num_cycles is two");
        assertRefusedKwargs(LrSchedulerType.COSINE_WITH_RESTARTS, "num_cycles=1.5", "num_cycles is 1.5", "whole");
        assertRefusedKwargs(LrSchedulerType.POLYNOMIAL, "lr_end=1", "lr_end 1.0", "learning_rate 1.0");
        assertRefusedKwargs(LrSchedulerType.INVERSE_SQRT, "timescale=0", "timescale is 0");
        assertRefusedKwargs(LrSchedulerType.COSINE_WITH_MIN_LR, "num_cycles=1", "needs one of min_lr and min_lr_rate");
        assertRefusedKwargs(LrSchedulerType.COSINE_WITH_MIN_LR, "min_lr=0.1,min_lr_rate=0.1", "needs one of");
        assertRefusedKwargs(LrSchedulerType.COSINE_WITH_MIN_LR, "min_lr=2", "min_lr is 2.0", "learning_rate is 1.0");
        assertRefusedKwargs(LrSchedulerType.WARMUP_STABLE_DECAY, "min_lr_ratio=0.1", "needs num_decay_steps");
        assertRefusedKwargs(LrSchedulerType.WARMUP_STABLE_DECAY, "num_decay_steps=9", "exceed the run's 10 steps");
        assertRefusedKwargs(
                LrSchedulerType.WARMUP_STABLE_DECAY,
                "num_decay_steps=1,decay_type=square",
                "decay_type is square; it must be one of linear, cosine, 1-sqrt");
    }

    private static void assertRefusedKwargs(LrSchedulerType type, String kwargs, String... words) {
        assertRefused(() -> new Schedule(type, OptionMap.parse(kwargs), 1, 2, 10), words);
    }

    private static LrSchedulerType type(String name) {
        return Arrays.stream(LrSchedulerType.values())
                .filter(type -> type.toString().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
