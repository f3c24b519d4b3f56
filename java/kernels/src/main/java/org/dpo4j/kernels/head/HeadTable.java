package org.dpo4j.kernels.head;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Times of heads, and the path that they speak for: data, the same answer every time. A program that wants the same bits
 * tomorrow keeps the answer, or the table as text; a later version of dpo4j may bring other {@link #measured} times.
 *
 * @param times in any order
 */
public record HeadTable(List<HeadTimes> times) {
    private static final String COLUMNS = "processor,vocabulary,hidden,dtype,rows,chunks_us,fused_us";
    private static final int FIELDS = COLUMNS.split(",", -1).length;
    private static final String MEASURED = "head_times.csv";

    public HeadTable {
        times = List.copyOf(times);
    }

    /**
     * The times that this version of dpo4j comes with: those of the results in its {@code bench/results}, written by
     * {@code bench/run.sh tables}. Heads and processors that were never measured are not in it.
     */
    public static HeadTable measured() {
        try (InputStream resource = HeadTable.class.getResourceAsStream(MEASURED)) {
            if (resource == null) {
                throw new Dpo4jException(
                        "HeadTable: " + MEASURED + " is missing beside the classes: build dpo4j again");
            }
            return of(new String(resource.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(MEASURED + " cannot be read", e);
        }
    }

    /** A table from what {@link #toString} wrote. Throws, naming the line, where it is not one. */
    public static HeadTable of(String text) {
        List<String> lines = text.lines().toList();
        if (lines.isEmpty() || !lines.get(0).equals(COLUMNS)) {
            throw new Dpo4jException("HeadTable: line 1 must be " + COLUMNS);
        }
        List<HeadTimes> times = new ArrayList<>();
        for (int line = 1; line < lines.size(); line++) {
            try {
                times.add(times(lines.get(line).split(",", -1)));
            } catch (IllegalArgumentException | Dpo4jException e) {
                throw new Dpo4jException("HeadTable: line " + (line + 1) + ": " + e.getMessage(), e);
            }
        }
        return new HeadTable(times);
    }

    private static HeadTimes times(String[] fields) {
        if (fields.length != FIELDS) {
            throw new Dpo4jException(fields.length + " fields, must be the " + FIELDS + " of " + COLUMNS);
        }
        return new HeadTimes(
                fields[0],
                Long.parseLong(fields[1]),
                Long.parseLong(fields[2]),
                DType.valueOf(fields[3]),
                Long.parseLong(fields[4]),
                Double.parseDouble(fields[5]),
                Double.parseDouble(fields[6]));
    }

    /**
     * The path for log-probs of this head on this device: {@link HeadPath#FUSED} where the device has it and it was the
     * faster one for every number of rows that was measured, {@link HeadPath#CHUNKS} otherwise, also for a head or
     * a processor that the table does not know. The rows of a call do not enter: if they did, a completion's log-prob
     * would not be the same bits alone and packed with others.
     */
    public HeadPath path(Device device, long vocabulary, long hidden, DType dtype) {
        List<HeadTimes> known = times.stream()
                .filter(each -> each.isOf(device.processor(), vocabulary, hidden, dtype))
                .toList();
        boolean faster = !known.isEmpty() && known.stream().allMatch(each -> each.faster() == HeadPath.FUSED);
        return faster && HeadPath.FUSED.isSupported(device, dtype) ? HeadPath.FUSED : HeadPath.CHUNKS;
    }

    /** Columns, and a line for each of the times. */
    @Override
    public String toString() {
        return times.stream().map(each -> each + "\n").collect(Collectors.joining("", COLUMNS + "\n", ""));
    }
}
