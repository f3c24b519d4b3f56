package org.dpo4j.data.source;

import java.util.function.IntFunction;

/** Rows of a subclass that reads them from other rows. They keep number and place, and closing them closes the others. */
abstract class ForwardedRows implements Rows {
    final Rows rows;

    ForwardedRows(Rows rows) {
        this.rows = rows;
    }

    @Override
    public int number() {
        return rows.number();
    }

    @Override
    public IntFunction<String> places() {
        return rows.places();
    }

    @Override
    public double share() {
        return rows.share();
    }

    @Override
    public void checkEnd() {
        rows.checkEnd();
    }

    @Override
    public void close() {
        rows.close();
    }
}
