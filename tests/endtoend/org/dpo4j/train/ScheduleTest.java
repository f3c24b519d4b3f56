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
                    3,
                    golden.get("warmup").intValue(),
                    golden.get("steps").intValue());
            for (int step = 0; step < schedule.steps(); step++) {
                double expected = 3 * golden.get("rates").get(step).doubleValue();
                // both are a few double operations on numbers near 1
                assertThat(schedule.rate(step)).as("%s, step %d", golden, step).isCloseTo(expected, within(1e-14));
            }
        }
    }

    @Test
    void aWarmupWithoutEffectOrWithoutEndIsRefused() {
        assertRefused(() -> new Schedule(LrSchedulerType.CONSTANT, 1, 2, 10), "constant_with_warmup");
        assertRefused(() -> new Schedule(LrSchedulerType.LINEAR, 1, 11, 10), "warmup_steps is 11");
    }

    private static LrSchedulerType type(String name) {
        return Arrays.stream(LrSchedulerType.values())
                .filter(type -> type.toString().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
