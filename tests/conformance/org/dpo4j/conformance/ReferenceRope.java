package org.dpo4j.conformance;

/** Rotary positions in double precision: the pair (x[i], x[i + width/2]) of a head turned by the angle of row and i. */
final class ReferenceRope {
    private ReferenceRope() {}

    /** cos or sin f32 [positions, width / 2], as a model would make them. */
    static double[] table(int positions, int headWidth, double theta, boolean sine) {
        int half = headWidth / 2;
        double[] table = new double[positions * half];
        for (int i = 0; i < table.length; i++) {
            double angle = i / half * Math.pow(theta, -2.0 * (i % half) / headWidth);
            table[i] = (float) (sine ? Math.sin(angle) : Math.cos(angle));
        }
        return table;
    }

    /** One head. cosine and sine are those of its row. */
    static double[] forward(double[] head, double[] cosine, double[] sine) {
        int half = head.length / 2;
        double[] turned = new double[head.length];
        for (int i = 0; i < half; i++) {
            turned[i] = head[i] * cosine[i] - head[half + i] * sine[i];
            turned[half + i] = head[half + i] * cosine[i] + head[i] * sine[i];
        }
        return turned;
    }

    static double[] backward(double[] head, double[] cosine, double[] sine) {
        int half = head.length / 2;
        double[] turned = new double[head.length];
        for (int i = 0; i < half; i++) {
            turned[i] = head[i] * cosine[i] + head[half + i] * sine[i];
            turned[half + i] = head[half + i] * cosine[i] - head[i] * sine[i];
        }
        return turned;
    }
}
