package org.dpo4j.testkit;

/** c = op(a) op(b), in double precision. */
public final class ReferenceMatmul {
    private ReferenceMatmul() {}

    /** op(a) is [m,k], op(b) is [k,n], both contiguous. */
    public static double[] product(
            double[] a, double[] b, int m, int n, int k, boolean transposeA, boolean transposeB) {
        double[] c = new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                for (int l = 0; l < k; l++) {
                    c[i * n + j] +=
                            (transposeA ? a[l * m + i] : a[i * k + l]) * (transposeB ? b[j * k + l] : b[l * n + j]);
                }
            }
        }
        return c;
    }
}
