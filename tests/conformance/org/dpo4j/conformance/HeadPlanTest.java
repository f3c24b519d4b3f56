package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.junit.jupiter.api.Test;

/** Memory and products of a plan, which are computed without a device. */
class HeadPlanTest {
    private static final long MEBI = 1L << 20;

    /** A head of Llama 3's vocabulary at the width of 8B, in training. */
    private static HeadPlan ofLlama(long bytes, long rows) {
        return HeadPlan.within(bytes, rows, Use.TRAINING, 128_256, 4096, DType.BF16);
    }

    /** 16384 x 128256 x 4096 within 1.5 GB besides its inputs. By hand: 1928 rows fit, which are 7.5 times 256. */
    @Test
    void trainingOfEightBillionIsWithinOneAndAHalfGigabytes() {
        HeadPlan plan = ofLlama(HeadPlan.GPU_BYTES, 16_384);
        // f32 logits, their bf16 gradient, a scaled hidden row
        long row = 4L * 128_256 + 2L * 128_256 + 2L * 4096;
        assertThat(HeadPlan.GPU_BYTES / row).isEqualTo(1928);
        assertThat(plan.chunkRows()).isEqualTo(7 * 256);
        assertThat(plan.workspaceBytes())
                .isCloseTo(plan.chunkRows() * row, org.assertj.core.api.Assertions.within(768L));
    }

    /** 4 bytes an element of a row instead of 6. By hand: 2877 rows fit, which are 11.2 times 256. */
    @Test
    void gradientsInPlaceLeaveMemoryForMoreRows() {
        HeadPlan row = new HeadPlan(Use.TRAINING, 128_256, 4096, DType.BF16, 1, Path.LOGITS_IN_PLACE);
        assertThat(HeadPlan.GPU_BYTES / (4L * 128_256 + 2L * 4096 + 8)).isEqualTo(2877);
        assertThat(row.rowsWithin(HeadPlan.GPU_BYTES)).isEqualTo(11 * 256);
        assertThat(HeadPlan.within(HeadPlan.GPU_BYTES, 16_384, row).chunkRows()).isEqualTo(11 * 256);
    }

    /** The chunks of a call are as few as fit, of nearly equal size, and multiples of 256 rows, the last one excepted. */
    @Test
    void severalChunksAreWholeTiles() {
        assertThat(ofLlama(HeadPlan.GPU_BYTES, 1929).chunkRows()).isEqualTo(1024); // 1024 and 905
        assertThat(ofLlama(HeadPlan.GPU_BYTES, 4096).chunkRows()).isEqualTo(1536); // 1536, 1536, 1024
        assertThat(ofLlama(HeadPlan.GPU_BYTES, 8192).chunkRows()).isEqualTo(1792); // 4 of 1792, 1024
        assertThat(ofLlama(HeadPlan.GPU_BYTES, 1928).chunkRows()).isEqualTo(1928); // one chunk
        assertThat(ofLlama(HeadPlan.GPU_BYTES / 8, 4096).chunkRows()).isEqualTo(241); // less than a tile
    }

    /** Memory does not grow with rows beyond one chunk; fewer rows need less. */
    @Test
    void memoryDoesNotGrowWithRows() {
        HeadPlan plan = ofLlama(1024 * MEBI, 16_384);
        assertThat(ofLlama(1024 * MEBI, 1L << 30)).isEqualTo(plan);
        assertThat(ofLlama(1024 * MEBI, 100).chunkRows()).isEqualTo(100);
        assertThat(ofLlama(1024 * MEBI, 0).chunkRows()).isEqualTo(1);
    }

    @Test
    void productsAreKnownBeforehand() {
        HeadPlan training = new HeadPlan(Use.TRAINING, 1000, 64, DType.F32, 50);
        assertThat(training.products(1)).isEqualTo(3);
        assertThat(training.products(50)).isEqualTo(3);
        assertThat(training.products(51)).isEqualTo(4);
        assertThat(new HeadPlan(Use.FROZEN, 1000, 64, DType.F32, 50).products(1 << 20))
                .isEqualTo(2);
        assertThat(new HeadPlan(Use.FORWARD, 1000, 64, DType.F32, 50).products(1 << 20))
                .isEqualTo(1);
    }

    /**
     * fp32 logits are overwritten by their gradient. Only training has scaled rows. Rows are aligned to 16 bytes and
     * buffers to 256.
     */
    @Test
    void bytesOfParts() {
        assertThat(new HeadPlan(Use.FORWARD, 1000, 64, DType.F32, 2).workspaceBytes())
                .isEqualTo(8192);
        assertThat(new HeadPlan(Use.FROZEN, 1000, 64, DType.F32, 2).workspaceBytes())
                .isEqualTo(8192);
        assertThat(new HeadPlan(Use.TRAINING, 1000, 64, DType.F32, 2).workspaceBytes())
                .isEqualTo(8192 + 512);
        assertThat(new HeadPlan(Use.FORWARD, 1000, 64, DType.BF16, 2).workspaceBytes())
                .isEqualTo(8192);
        assertThat(new HeadPlan(Use.FROZEN, 1000, 64, DType.BF16, 2).workspaceBytes())
                .isEqualTo(8192 + 4096);
        assertThat(new HeadPlan(Use.TRAINING, 1000, 64, DType.BF16, 2).workspaceBytes())
                .isEqualTo(8192 + 4096 + 256);
        assertThat(new HeadPlan(Use.FORWARD, 1, 1, DType.F32, 1).stride()).isEqualTo(8);
        // in place: no gradient beside the logits; log-prob and lse again
        assertThat(new HeadPlan(Use.FROZEN, 1000, 64, DType.BF16, 2, Path.LOGITS_IN_PLACE).workspaceBytes())
                .isEqualTo(8192);
        assertThat(new HeadPlan(Use.TRAINING, 1000, 64, DType.BF16, 2, Path.LOGITS_IN_PLACE).workspaceBytes())
                .isEqualTo(8192 + 256 + 256);
        assertThat(new HeadPlan(Use.TRAINING, 1000, 64, DType.F32, 2, Path.LOGITS_IN_PLACE).workspaceBytes())
                .isEqualTo(8192 + 512);
    }

    /** The plan has the max number of rows per chunk that fits: one more row, or 256 more, does not. */
    @Test
    void fillsItsBudget() {
        for (Use use : Use.values()) {
            for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
                for (long bytes : new long[] {100_000, 123_457, 5_000_000}) {
                    HeadPlan plan = HeadPlan.within(bytes, 1 << 20, use, 997, 72, dtype);
                    assertThat(plan.workspaceBytes()).as("%s", plan).isLessThanOrEqualTo(bytes);
                    long more = plan.chunkRows() + (plan.chunkRows() < 256 ? 1 : 256);
                    assertThat(plan.withChunkRows(more).workspaceBytes())
                            .as("%s", plan)
                            .isGreaterThan(bytes);
                }
            }
        }
    }

    /** With an odd hidden size, chunks begin at multiples of 16 bytes. A single chunk may have any number of rows. */
    @Test
    void chunksOfOddHiddenSizesAreAligned() {
        assertThat(HeadPlan.within(100_000, 1 << 20, Use.FORWARD, 997, 577, DType.BF16)
                                .chunkRows()
                        % 8)
                .isZero();
        assertThat(HeadPlan.within(100_000, 1 << 20, Use.FORWARD, 997, 577, DType.F32)
                                .chunkRows()
                        % 4)
                .isZero();
        assertThat(HeadPlan.within(100_000, 1 << 20, Use.FORWARD, 997, 578, DType.BF16)
                                .chunkRows()
                        % 4)
                .isZero();
        assertThat(HeadPlan.within(100_000, 13, Use.FORWARD, 997, 577, DType.BF16)
                        .chunkRows())
                .isEqualTo(13);
    }

    @Test
    void refusesByName() {
        refused("997", () -> HeadPlan.within(3999, 10, Use.FORWARD, 997, 64, DType.F32));
        refused("4096 bytes", () -> HeadPlan.within(3999, 10, Use.FORWARD, 997, 64, DType.F32));
        refused("chunk of 4 rows", () -> HeadPlan.within(5000, 10, Use.FORWARD, 997, 577, DType.F32));
        refused("vocabulary", () -> new HeadPlan(Use.FORWARD, 0, 64, DType.F32, 1));
        refused("hidden", () -> new HeadPlan(Use.FORWARD, 9, 1L << 31, DType.F32, 1));
        refused("chunkRows", () -> new HeadPlan(Use.FORWARD, 9, 64, DType.F32, 0));
        refused("chunkRows", () -> new HeadPlan(Use.FORWARD, 1L << 30, 64, DType.F32, 1L << 30));
    }

    private static void refused(String word, Runnable plan) {
        assertThatThrownBy(plan::run)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("HeadPlan")
                .hasMessageContaining(word);
    }
}
