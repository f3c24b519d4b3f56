package org.dpo4j.testkit;

/** Lion (Chen et al. 2023, algorithm 2) for one element, with the bound on fp32's error. */
public final class ReferenceLion {
    public Bounded parameter;
    public Bounded m = Bounded.exact(0);

    public ReferenceLion(Bounded parameter) {
        this.parameter = parameter;
    }

    /** Throws if the sign of the update depends on rounding. */
    public void step(Bounded gradient, double lr, double beta1, double beta2, double weightDecay) {
        Bounded rate = Bounded.rounded(lr);
        Bounded update = mixed(gradient, beta1).sign().times(rate);
        Bounded decay = rate.times(Bounded.rounded(weightDecay)).times(parameter);
        parameter = parameter.minus(decay.plus(update));
        m = mixed(gradient, beta2);
    }

    private Bounded mixed(Bounded gradient, double beta) {
        Bounded share = Bounded.rounded(1 - beta);
        return m.minus(share.times(m)).plus(share.times(gradient));
    }
}
