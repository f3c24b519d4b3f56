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
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/** Tensors with padding, with rows in another order, and transposed in files, through buffers of a few elements. */
class StagingTest {
    private static final int OFFSET = 5;

    /** Three heads of 2 in memory of 3, over 5 columns. The tensor has the rows of the last head first. */
    private static final Axis HEADS = new Axis(3, 2, 3);

    private static final List<RowRange> ROWS = List.of(new RowRange(HEADS, 4, 2), new RowRange(HEADS, 0, 4));

    /** By hand: memory rows of the tensor's rows. */
    private static final int[] MEMORY_ROWS = {6, 7, 0, 1, 3, 4};

    private record Case(Axis columns, int[] memoryColumns, boolean isTransposed) {
        Case(Axis columns, int... memoryColumns) {
            this(columns, memoryColumns, false);
        }

        Case transposed() {
            return new Case(columns, memoryColumns, true);
        }

        Placement placement() {
            return new Placement(OFFSET, ROWS, columns, isTransposed);
        }

        int memory() {
            return OFFSET + 9 * columns.paddedSize();
        }

        /** Element of the flat buffer of each element of the tensor. */
        int[] places() {
            int[] places = new int[MEMORY_ROWS.length * memoryColumns.length];
            Arrays.setAll(places, i -> {
                int row = isTransposed ? i % MEMORY_ROWS.length : i / memoryColumns.length;
                int column = isTransposed ? i / MEMORY_ROWS.length : i % memoryColumns.length;
                return OFFSET + MEMORY_ROWS[row] * columns.paddedSize() + memoryColumns[column];
            });
            return places;
        }
    }

    private static final List<Case> CASES = List.of(
            new Case(Axis.plain(5), 0, 1, 2, 3, 4),
            new Case(new Axis(1, 5, 8), 0, 1, 2, 3, 4),
            new Case(new Axis(2, 3, 4), 0, 1, 2, 4, 5, 6),
            new Case(new Axis(2, 3, 3), 0, 1, 2, 3, 4, 5),
            new Case(Axis.plain(1), 0),
            new Case(Axis.plain(5), 0, 1, 2, 3, 4).transposed(),
            new Case(new Axis(1, 5, 8), 0, 1, 2, 3, 4).transposed(),
            new Case(new Axis(2, 3, 3), 0, 1, 2, 3, 4, 5).transposed(),
            new Case(new Axis(2, 3, 4), 0, 1, 2, 4, 5, 6).transposed());

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

    /** Of six rows, three parts. */
    @OnEachDevice
    void anUploadOfSomeRowsFillsTheirPlaces(On on) {
        for (Case each : CASES) {
            int[] places = each.places();
            for (int end : new int[] {2, 5, 6}) {
                int first = end - 2;
                float[] expected = new float[each.memory()];
                for (int i = 0; i < places.length; i++) {
                    int row = each.isTransposed ? i % MEMORY_ROWS.length : i / each.memoryColumns.length;
                    expected[places[i]] = row >= first && row < end ? i + 1 : 0;
                }
                try (DeviceBuffer flat = on.device().allocate(4L * each.memory())) {
                    on.device().fill(flat.address(), 0, 4L * each.memory());
                    Staging.Flat target = new Staging.Flat(on.device(), flat.address(), DType.F32);
                    new Staging(11).upload(target, each.placement(), first, end, "F32", StagingTest::count);
                    assertThat(on.device().downloadFloats(flat.address(), each.memory()))
                            .as("%s, [%d, %d)", each, first, end)
                            .containsExactly(expected);
                }
            }
        }
    }

    /** The memory of new weights is not zeroed as a whole. Here it is NaN before, so what is neither zeroed nor written shows. */
    @OnEachDevice
    void whatNoTensorHoldsIsZeroed(On on) {
        for (boolean isTied : new boolean[] {true, false}) {
            for (ModelConfig config : List.of(
                    Llama.config(20, 32, 24, 2, 4, 2, 32, isTied), Llama.config(21, 42, 19, 2, 7, 1, 32, isTied))) {
                ParameterLayout layout = new ParameterLayout(config);
                int count = (int) layout.count();
                try (DeviceBuffer buffer = on.device().allocate(4L * count)) {
                    on.device().fill(buffer.address(), 0xff, 4L * count);
                    Staging.Flat flat = new Staging.Flat(on.device(), buffer.address(), DType.F32);
                    Parameters.zeroRest(layout, flat);
                    Staging staging = new Staging();
                    for (ParameterTensor tensor : layout.tensors()) {
                        staging.upload(flat, tensor.placement(), "F32", (begin, destination) -> {
                            while (destination.hasRemaining()) {
                                destination.putFloat(1);
                            }
                        });
                    }
                    double sum = 0;
                    for (float value : on.device().downloadFloats(buffer.address(), count)) {
                        sum += value;
                    }
                    assertThat(sum)
                            .isEqualTo(layout.tensors().stream()
                                    .mapToLong(ParameterTensor::count)
                                    .sum());
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

    /** Some tiles in both directions, and widths that are not multiples of a tile. All integers below 2^8 are exact in bf16. */
    @OnEachDevice
    void aTransposedMatrixOfManyTilesIsTransposedTwice(On on) {
        int rows = 70;
        int columns = 45;
        float[] file = new float[rows * columns];
        for (int i = 0; i < file.length; i++) {
            file[i] = i % 251;
        }
        Placement tensor =
                new Placement(0, List.of(new RowRange(Axis.plain(rows), 0, rows)), Axis.plain(columns), true);
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
            try (DeviceBuffer flat = on.device().allocate(4L * file.length)) {
                Staging.Flat memory = new Staging.Flat(on.device(), flat.address(), dtype);
                new Staging().upload(memory, tensor, "F32", (begin, destination) -> {
                    for (int i = (int) begin; destination.hasRemaining(); i++) {
                        destination.putFloat(file[i]);
                    }
                });
                float[] stored = dtype == DType.F32
                        ? on.device().downloadFloats(flat.address(), file.length)
                        : bfloats(on, flat.address(), file.length);
                for (int i = 0; i < rows; i++) {
                    for (int j = 0; j < columns; j++) {
                        assertThat(stored[i * columns + j])
                                .as("%s [%d, %d]", dtype, i, j)
                                .isEqualTo(file[j * rows + i]);
                    }
                }
                Float[] read = download(memory, tensor, 0, file.length, 1000);
                for (int i = 0; i < file.length; i++) {
                    assertThat(read[i]).isEqualTo(file[i]);
                }
            }
        }
    }

    private static float[] bfloats(On on, long address, int count) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(2 * count).order(ByteOrder.LITTLE_ENDIAN);
        on.device().download(bytes, address);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = Float.intBitsToFloat(bytes.getShort(2 * i) << 16);
        }
        return values;
    }
}
