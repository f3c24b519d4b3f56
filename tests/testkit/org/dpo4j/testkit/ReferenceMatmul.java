package org.dpo4j.testkit;

/** c = op(a) op(b), in double precision. */
public final class ReferenceMatmul {
    private ReferenceMatmul() {}

    /** op(a) is [m,k], op(b) is [k,n], both contiguous. */
    public static double[] product(
            double[] a, double[] b, int m, int n, int k, boolean transposeA, boolean transposeB) {
        int rowOfA = transposeA ? 1 : k;
        int nextOfA = transposeA ? m : 1;
        int columnOfB = transposeB ? k : 1;
        int nextOfB = transposeB ? 1 : n;
        double[] c = new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                int atA = i * rowOfA;
                int atB = j * columnOfB;
                double sum = 0;
                for (int l = 0; l < k; l++) {
                    sum += a[atA] * b[atB];
                    atA += nextOfA;
                    atB += nextOfB;
                }
                c[i * n + j] = sum;
            }
        }
        return c;
    }
}
