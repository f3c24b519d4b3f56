package org.dpo4j.data.source;

import java.util.function.IntFunction;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Names file and line, or element, of rows by their numbers, after they were read. It reads the source again up to the row
 * that is asked for, and answers from then on for all rows before it. So ask for the last row first.
 */
public final class RowPlaces implements IntFunction<String> {
    private final RowSource source;
    private IntFunction<String> places = number -> "row " + number;
    private int end;

    public RowPlaces(RowSource source) {
        this.source = source;
    }

    /** File and line of a row; only its number if the files cannot be read any more. */
    @Override
    public synchronized String apply(int number) {
        if (number > end) {
            try {
                places = source.places(number);
                end = number;
            } catch (Dpo4jException e) {
                return "row " + number;
            }
        }
        return places.apply(number);
    }
}
