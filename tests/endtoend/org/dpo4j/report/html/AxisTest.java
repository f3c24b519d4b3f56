package org.dpo4j.report.html;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ticks of axes, and numbers as text. */
class AxisTest {

    @ParameterizedTest
    @CsvSource({
        "0.21, 0.57, 0.2 0.3 0.4 0.5 0.6",
        "-181.2, -160, -185 -180 -175 -170 -165 -160",
        "0, 1e-6, 0 0.2e-6 0.4e-6 0.6e-6 0.8e-6 1.0e-6",
        "5, 5, 4.7 4.8 4.9 5.0 5.1 5.2 5.3",
        "0, 0, 0 0.2 0.4 0.6 0.8 1.0",
        "10500, 52000, 10k 20k 30k 40k 50k 60k",
        "0, 3400000, 0 1M 2M 3M 4M",
        "-3, 97, -20 0 20 40 60 80 100"
    })
    void ticksAreRoundNumbersAroundTheValues(double min, double max, String labels) {
        Axis axis = Axis.wide(min, max, 5);
        String written = axis.ticks().stream().map(axis::label).collect(Collectors.joining(" "));
        assertThat(axis.low()).isLessThanOrEqualTo(min);
        assertThat(axis.high()).isGreaterThanOrEqualTo(max);
        assertThat(written).isEqualTo(labels);
    }

    @Test
    void stepsAreWholeNumbersUpToTheLast() {
        assertThat(Axis.exact(0, 3, 5).ticks()).containsExactly(0.0, 1.0, 2.0, 3.0);
        assertThat(Axis.exact(0, 48, 5).ticks()).containsExactly(0.0, 10.0, 20.0, 30.0, 40.0);
    }

    @Test
    void numbersAreShort() {
        assertThat(Numbers.written(0.6931471, false)).isEqualTo("0.6931");
        assertThat(Numbers.written(1234.5678, false)).isEqualTo("1235");
        assertThat(Numbers.written(1.6e-7, false)).isEqualTo("1.600e-7");
        assertThat(Numbers.written(90030, false)).isEqualTo("90,030");
        assertThat(Numbers.written(0.8297, true)).isEqualTo("83.0%");
        assertThat(Numbers.written(Duration.ofSeconds(7505))).isEqualTo("2 h 05 min");
        assertThat(Numbers.written(Duration.ofSeconds(200))).isEqualTo("3 min 20 s");
        assertThat(Numbers.bytes(3_515_840)).isEqualTo("3.5 MB");
        assertThat(Numbers.bytes(999_960)).isEqualTo("1.0 MB");
    }
}
