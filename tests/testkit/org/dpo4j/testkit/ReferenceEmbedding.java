package org.dpo4j.testkit;

/** Rows of a table by index, and their gradient, in double precision. */
public final class ReferenceEmbedding {
    private ReferenceEmbedding() {}

    public static double[] forward(double[] table, int tableRows, int width, int[] indices) {
        double[] out = new double[indices.length * width];
        for (int i = 0; i < out.length; i++) {
            int index = indices[i / width];
            out[i] = index >= 0 && index < tableRows ? table[index * width + i % width] : Double.NaN;
        }
        return out;
    }

    /** The gradient of the table: each row of d_out is added to the row of its index. */
    public static double[] backward(double[] dOut, int tableRows, int width, int[] indices) {
        double[] dTable = new double[tableRows * width];
        for (int i = 0; i < dOut.length; i++) {
            dTable[indices[i / width] * width + i % width] += dOut[i];
        }
        return dTable;
    }
}
