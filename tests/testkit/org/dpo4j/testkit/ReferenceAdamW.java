package org.dpo4j.testkit;

/** torch.optim.AdamW (decoupled weight decay, no amsgrad) for one element, in double precision. */
public final class ReferenceAdamW {
    public double parameter;
    public double m;
    public double v;

    public ReferenceAdamW(double parameter, double m, double v) {
        this.parameter = parameter;
        this.m = m;
        this.v = v;
    }

    public void step(
            int t, double gradient, double lr, double beta1, double beta2, double epsilon, double weightDecay) {
        parameter *= 1 - lr * weightDecay;
        m = beta1 * m + (1 - beta1) * gradient;
        v = beta2 * v + (1 - beta2) * gradient * gradient;
        double c1 = 1 / (1 - Math.pow(beta1, t));
        double c2 = 1 / (1 - Math.pow(beta2, t));
        parameter -= lr * c1 * m / (Math.sqrt(c2 * v) + epsilon);
    }
}
