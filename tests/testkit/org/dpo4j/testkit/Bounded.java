package org.dpo4j.testkit;

/**
 * A number in double precision, and how far the number that fp32 computes in its place may be from it: a running error
 * analysis (Higham 2002, section 3.3). Each operation rounds once more. An implementation that fuses a product with a
 * sum rounds less often, so the bound holds for it too.
 *
 * @param error maximum distance
 */
public record Bounded(double value, double error) {
    /** Unit roundoff, and terms of second order. */
    private static final double U = Tolerance.U * 1.001;

    /** A number that fp32 represents. */
    public static Bounded exact(double value) {
        return new Bounded(value, 0);
    }

    /** A number that is rounded to fp32. A result below the normal numbers may be flushed to zero. */
    public static Bounded rounded(double value) {
        return new Bounded(value, 0).rounded();
    }

    private Bounded rounded() {
        return new Bounded(value, error + U * (Math.abs(value) + error) + Float.MIN_NORMAL);
    }

    public Bounded plus(Bounded other) {
        return new Bounded(value + other.value, error + other.error).rounded();
    }

    public Bounded minus(Bounded other) {
        return new Bounded(value - other.value, error + other.error).rounded();
    }

    public Bounded times(Bounded other) {
        double product = Math.abs(value) * other.error + Math.abs(other.value) * error + error * other.error;
        return new Bounded(value * other.value, product).rounded();
    }

    /** Throws if the divisor may be 0. */
    public Bounded dividedBy(Bounded divisor) {
        double least = Math.abs(divisor.value) - divisor.error;
        if (least <= 0) {
            throw new ArithmeticException("the divisor may be 0: " + divisor);
        }
        double quotient = value / divisor.value;
        return new Bounded(quotient, (error + Math.abs(quotient) * divisor.error) / least).rounded();
    }

    /** The root of the number, or of 0 if it is negative. */
    public Bounded root() {
        double above = Math.max(0, value + error);
        double below = Math.max(0, value - error);
        double root = Math.sqrt(Math.max(0, value));
        return new Bounded(root, Math.max(Math.sqrt(above) - root, root - Math.sqrt(below))).rounded();
    }

    /** 1, 0 or -1, exactly. Throws if it depends on the error. */
    public Bounded sign() {
        if (value != 0 && Math.abs(value) <= error) {
            throw new ArithmeticException("the sign depends on rounding: " + this);
        }
        return exact(Math.signum(value));
    }
}
