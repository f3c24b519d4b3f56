package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.model.Placement.RowRange;

/** Tensors with padding and with rows in another order, through buffers of a few elements. */
class StagingTest {
    private static final int OFFSET = 5;

    /** Three heads of 2 in memory of 3, over 5 columns. The tensor has the rows of the last head first. */
    private static final Axis HEADS = new Axis(3, 2, 3);

    private static final List<RowRange> ROWS = List.of(new RowRange(HEADS, 4, 2), new RowRange(HEADS, 0, 4));

    /** By hand: memory rows of the tensor's rows. */
    private static final int[] MEMORY_ROWS = {6, 7, 0, 1, 3, 4};

    private record Case(Axis columns, int[] memoryColumns) {
        Placement placement() {
            return new Placement(OFFSET, ROWS, columns);
        }

        int memory() {
            return OFFSET + 9 * columns.paddedSize();
        }

        /** Element of the flat buffer of each element of the tensor. */
        int[] places() {
            int[] places = new int[MEMORY_ROWS.length * memoryColumns.length];
            Arrays.setAll(
                    places,
                    i -> OFFSET
                            + MEMORY_ROWS[i / memoryColumns.length] * columns.paddedSize()
                            + memoryColumns[i % memoryColumns.length]);
            return places;
        }
    }

    private static final List<Case> CASES = List.of(
            new Case(Axis.plain(5), new int[] {0, 1, 2, 3, 4}),
            new Case(new Axis(1, 5, 8), new int[] {0, 1, 2, 3, 4}),
            new Case(new Axis(2, 3, 4), new int[] {0, 1, 2, 4, 5, 6}),
            new Case(Axis.plain(1), new int[] {0}));

    @OnEachDevice
    void anUploadFillsThePlacesOfTheTensor(On on) {
        for (Case each : CASES) {
            int[] places = each.places();
            float[] expected = new float[each.memory()];
            for (int i = 0; i < places.length; i++) {
                expected[places[i]] = i + 1;
            }
            for (int capacity : new int[] {3, 11, 1000}) {
                try (DeviceBuffer flat = on.device().allocate(4L * each.memory())) {
                    on.device().fill(flat.address(), 0, 4L * each.memory());
                    new Staging(capacity)
                            .upload(
                                    new Staging.Flat(on.device(), flat.address(), DType.F32),
                                    each.placement(),
                                    "F32",
                                    StagingTest::count);
                    assertThat(on.device().downloadFloats(flat.address(), each.memory()))
                            .as("%s, %d", each, capacity)
                            .containsExactly(expected);
                }
            }
        }
    }

    /** Element i is i + 1. */
    private static void count(long begin, ByteBuffer destination) {
        destination.order(ByteOrder.LITTLE_ENDIAN);
        for (long i = begin; destination.hasRemaining(); i++) {
            destination.putFloat(i + 1);
        }
    }

    @OnEachDevice
    void aDownloadHasTheElementsOfARange(On on) {
        for (Case each : CASES) {
            float[] memory = new float[each.memory()];
            for (int i = 0; i < memory.length; i++) {
                memory[i] = i;
            }
            int[] places = each.places();
            try (DeviceBuffer flat = on.device().allocate(4L * memory.length)) {
                on.device().upload(flat.address(), memory);
                Staging.Flat source = new Staging.Flat(on.device(), flat.address(), DType.F32);
                for (int capacity : new int[] {3, 11, 1000}) {
                    for (int end = 1; end <= places.length; end += 4) {
                        int first = end / 3;
                        assertThat(download(source, each.placement(), first, end, capacity))
                                .as("%s, [%d, %d), %d", each, first, end, capacity)
                                .containsExactly(floats(places, first, end));
                    }
                }
            }
        }
    }

    private static Float[] download(Staging.Flat source, Placement tensor, int first, int end, int capacity) {
        List<Float> values = new ArrayList<>();
        new Staging(capacity).download(source, tensor, first, end, DType.F32, (begin, piece) -> {
            assertThat(begin).isEqualTo(first + values.size());
            while (piece.hasRemaining()) {
                values.add(piece.getFloat());
            }
        });
        return values.toArray(new Float[0]);
    }

    private static Float[] floats(int[] places, int first, int end) {
        return Arrays.stream(places, first, end).mapToObj(i -> (float) i).toArray(Float[]::new);
    }
}
