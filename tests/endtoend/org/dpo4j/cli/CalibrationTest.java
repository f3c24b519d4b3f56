package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.dpo4j.cli.Calibration.Bin;
import org.junit.jupiter.api.Test;

/** Numbers by hand. Tolerance: a few roundings of doubles near 1. */
class CalibrationTest {
    private static final double ROUNDING = 1e-14;

    /** sigmoid(ln 3) = 3/4, sigmoid(ln 19) = 19/20. */
    @Test
    void binsAreEqualPartsOfTheConfidence() {
        double small = Math.log(3);
        double large = Math.log(19);
        Calibration calibration = Calibration.measure(new double[] {small, -small, small, small, large, -large}, 4);
        assertThat(calibration.bins()).hasSize(2);
        Bin first = calibration.bins().get(0);
        assertThat(first.pairs()).isEqualTo(4);
        assertThat(first.confidence()).isCloseTo(0.75, within(ROUNDING));
        assertThat(first.accuracy()).isEqualTo(0.75);
        assertThat(first.minMargin()).isCloseTo(small, within(ROUNDING));
        assertThat(first.maxMargin()).isCloseTo(Math.log(7), within(ROUNDING)); // 7/8
        Bin last = calibration.bins().get(1);
        assertThat(last.accuracy()).isEqualTo(0.5);
        assertThat(last.maxMargin()).isInfinite();
        assertThat(calibration.error()).isCloseTo((2 * 0.45) / 6, within(ROUNDING));
    }

    /** A model that cannot tell any two answers apart says so, and is calibrated. */
    @Test
    void tiesAreCalibrated() {
        Calibration calibration = Calibration.measure(new double[3], 10);
        assertThat(calibration.error()).isZero();
        assertThat(calibration.bins())
                .singleElement()
                .satisfies(bin -> assertThat(bin.accuracy()).isEqualTo(0.5));
    }

    /** The largest margins do not fall out of the last bin. */
    @Test
    void certaintyIsInTheLastBin() {
        assertThat(Calibration.measure(new double[] {1e9, -1e9}, 3).bins())
                .singleElement()
                .satisfies(bin -> assertThat(bin.confidence()).isEqualTo(1));
    }
}
