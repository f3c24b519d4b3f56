package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;

class MatmulShapeTest {
    private static MatmulShape shape(long m, long n, long k, boolean transposeA, boolean transposeB) {
        long strideA = transposeA ? m : k;
        long strideB = transposeB ? k : n;
        return new MatmulShape(m, n, k, n, strideA, strideB, transposeA, transposeB, DType.F32, DType.F32);
    }

    /** An algorithm chosen for the nominal shape is one for every batch. */
    @Test
    void batchesOfAnySizeShareANominalShape() {
        for (boolean transposeB : new boolean[] {false, true}) {
            MatmulShape nominal = shape(1, 64, 32, false, transposeB).nominal();
            for (long rows : new long[] {2, 3, 100, 4096, 100_000}) {
                assertThat(shape(rows, 64, 32, false, transposeB).nominal()).isEqualTo(nominal);
            }
            assertThat(nominal.nominal()).isEqualTo(nominal);
        }
    }

    @Test
    void gradientsOfAWeightShareOneForEachPowerOfTwo() {
        MatmulShape nominal = shape(64, 32, 512, true, false).nominal();
        assertThat(shape(64, 32, 257, true, false).nominal()).isEqualTo(nominal);
        assertThat(shape(64, 32, 256, true, false).nominal()).isNotEqualTo(nominal);
        assertThat(shape(64, 32, 513, true, false).nominal()).isNotEqualTo(nominal);
        assertThat(shape(64, 32, 1, true, false).nominal().k()).isEqualTo(1);
    }

    /** Whatever is laid out for an algorithm must itself be a matrix: no row longer than its stride. */
    @Test
    void nominalShapesAreShapes() {
        for (int transposes = 0; transposes < 4; transposes++) {
            for (long rows : new long[] {1, 5, 129}) {
                shape(rows, 7, rows + 2, transposes % 2 == 1, transposes > 1)
                        .nominal()
                        .check(16, 32, 48);
            }
        }
    }

    @Test
    void refusesByName() {
        MatmulShape good = shape(4, 4, 4, false, false);
        good.check(16, 32, 48);
        assertThatThrownBy(() -> good.check(0, 32, 48)).hasMessage("matmul: c is null");
        assertThatThrownBy(() -> good.check(16, 0, 48)).hasMessage("matmul: a is null");
        assertThatThrownBy(() -> good.check(16, 32, 56)).hasMessageContaining("b is not aligned to 16");
        assertThatThrownBy(() -> shape(4, -4, 4, false, false).check(16, 32, 48))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("n is -4");
        assertThatThrownBy(
                        () -> new MatmulShape(2, 3, 4, 3, 3, 3, false, false, DType.F32, DType.F32).check(16, 32, 48))
                .hasMessage("matmul: stride of a is 3, its rows have 4");
        assertThatThrownBy(
                        () -> new MatmulShape(2, 3, 4, 3, 4, 3, false, false, DType.BF16, DType.F32).check(16, 32, 48))
                .hasMessageContaining("output BF16 of inputs F32");
    }
}
