package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;
import org.junit.jupiter.api.Test;

class MatmulRulesTest {
    private static MatmulShape nominal(MatmulShape shape) {
        return MatmulRules.nominal(shape, MatmulRules.NOMINAL_ROWS);
    }

    private static MatmulShape shape(long m, long n, long k, boolean transposeA, boolean transposeB) {
        MatmulShape plain = MatmulShape.contiguous(m, n, k, DType.F32, DType.F32);
        MatmulShape withA = transposeA ? plain.transposedA() : plain;
        return transposeB ? withA.transposedB() : withA;
    }

    /** An algorithm is chosen for the nominal shape, so every batch size uses the same one. */
    @Test
    void batchesOfAnySizeShareANominalShape() {
        for (boolean transposeB : new boolean[] {false, true}) {
            MatmulShape nominal = nominal(shape(1, 64, 32, false, transposeB));
            for (long rows : new long[] {2, 3, 100, 4096, 100_000}) {
                assertThat(nominal(shape(rows, 64, 32, false, transposeB))).isEqualTo(nominal);
            }
            assertThat(nominal(nominal)).isEqualTo(nominal);
        }
    }

    /** Few rows have a nominal shape of their own. A weight's gradient, which sums over rows, has the same as always. */
    @Test
    void fewRowsHaveAnotherNominalShape() {
        MatmulShape forward = shape(1, 64, 32, false, true);
        MatmulShape few = MatmulRules.nominal(forward, MatmulRules.FEW_ROWS);
        assertThat(few.m()).isEqualTo(64);
        assertThat(few).isNotEqualTo(nominal(forward));
        assertThat(MatmulRules.nominal(shape(9000, 64, 32, false, true), MatmulRules.FEW_ROWS))
                .isEqualTo(few);
        MatmulShape gradient = shape(64, 32, 300, true, false);
        assertThat(MatmulRules.nominal(gradient, MatmulRules.FEW_ROWS)).isEqualTo(nominal(gradient));
    }

    @Test
    void weightGradientsShareANominalShapePerPowerOfTwo() {
        MatmulShape nominal = nominal(shape(64, 32, 512, true, false));
        assertThat(nominal(shape(64, 32, 257, true, false))).isEqualTo(nominal);
        assertThat(nominal(shape(64, 32, 256, true, false))).isNotEqualTo(nominal);
        assertThat(nominal(shape(64, 32, 513, true, false))).isNotEqualTo(nominal);
        assertThat(nominal(shape(64, 32, 1, true, false)).k()).isEqualTo(1);
    }

    /** A nominal shape must itself be valid: no row is longer than its stride. */
    @Test
    void nominalShapesAreValid() {
        for (int transposes = 0; transposes < 4; transposes++) {
            for (long rows : new long[] {1, 5, 129}) {
                MatmulShape shape = shape(rows, 7, rows + 2, transposes % 2 == 1, transposes > 1);
                MatmulRules.check(nominal(shape), 16, 32, 48);
            }
        }
    }

    @Test
    void refusesByName() {
        MatmulShape good = shape(4, 4, 4, false, false);
        MatmulRules.check(good, 16, 32, 48);
        assertThatThrownBy(() -> MatmulRules.check(good, 0, 32, 48)).hasMessage("matmul: c is null");
        assertThatThrownBy(() -> MatmulRules.check(good, 16, 0, 48)).hasMessage("matmul: a is null");
        assertThatThrownBy(() -> MatmulRules.check(good, 16, 32, 56)).hasMessageContaining("b is not aligned to 16");
        assertThatThrownBy(() -> MatmulRules.check(shape(4, -4, 4, false, false), 16, 32, 48))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("n is -4");
        MatmulShape narrow =
                new MatmulShape(2, 3, 4, new MatmulShape.Strides(3, 3, 3), false, false, DType.F32, DType.F32);
        assertThatThrownBy(() -> MatmulRules.check(narrow, 16, 32, 48))
                .hasMessage("matmul: stride of a is 3, must be at least 4");
        MatmulShape mixed = MatmulShape.contiguous(2, 3, 4, DType.BF16, DType.F32);
        assertThatThrownBy(() -> MatmulRules.check(mixed, 16, 32, 48))
                .hasMessageContaining("output BF16 of inputs F32");
    }
}
