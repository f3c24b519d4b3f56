package org.dpo4j.testkit;

import org.dpo4j.kernels.DType;

/**
 * Rotary positions in double precision: the pair (x[i], x[i + width/2]) of a head is rotated by the angle of its row
 * and i, where width is the number of rotated elements, twice the number of angles. The other elements do not change.
 */
public final class ReferenceRope {
    private ReferenceRope() {}

    /** cos or sin f32 [positions, width / 2], as a model would make them. */
    public static double[] table(int positions, int width, double theta, boolean sine) {
        int half = width / 2;
        double[] table = new double[positions * half];
        for (int i = 0; i < table.length; i++) {
            double angle = i / half * Math.pow(theta, -2.0 * (i % half) / width);
            table[i] = (float) (sine ? Math.sin(angle) : Math.cos(angle));
        }
        return table;
    }

    /** One head of the result as it is stored. */
    public static Expected expected(DType dtype, double[] head, double[] cosine, double[] sine, boolean backward) {
        int half = cosine.length;
        double[] turned = backward ? backward(head, cosine, sine) : forward(head, cosine, sine);
        return Expected.within(
                turned,
                i -> i < 2 * half
                        ? Tolerance.stored(dtype, turned[i], Tolerance.rope(head[i % half], head[half + i % half]))
                        : 0);
    }

    /** One head. cosine and sine are those of its row. */
    public static double[] forward(double[] head, double[] cosine, double[] sine) {
        int half = cosine.length;
        double[] turned = head.clone();
        for (int i = 0; i < half; i++) {
            turned[i] = head[i] * cosine[i] - head[half + i] * sine[i];
            turned[half + i] = head[half + i] * cosine[i] + head[i] * sine[i];
        }
        return turned;
    }

    public static double[] backward(double[] head, double[] cosine, double[] sine) {
        int half = cosine.length;
        double[] turned = head.clone();
        for (int i = 0; i < half; i++) {
            turned[i] = head[i] * cosine[i] + head[half + i] * sine[i];
            turned[half + i] = head[half + i] * cosine[i] - head[i] * sine[i];
        }
        return turned;
    }
}
