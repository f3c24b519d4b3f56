package org.dpo4j.testkit;

/** torch.optim.SGD for one element, with the bound on fp32's error. */
public final class ReferenceSgd {
    public Bounded parameter;
    public Bounded velocity = Bounded.exact(0);

    public ReferenceSgd(Bounded parameter) {
        this.parameter = parameter;
    }

    /** @param share of the gradient in the velocity: 1 in the first step, then 1 - dampening */
    public void step(Bounded gradient, double lr, double share, double momentum, double weightDecay, boolean nesterov) {
        Bounded g = gradient.plus(Bounded.rounded(weightDecay).times(parameter));
        Bounded kept = Bounded.rounded(momentum);
        if (momentum > 0) {
            velocity = kept.times(velocity).plus(Bounded.rounded(share).times(g));
            g = nesterov ? g.plus(kept.times(velocity)) : velocity;
        }
        parameter = parameter.minus(Bounded.rounded(lr).times(g));
    }
}
