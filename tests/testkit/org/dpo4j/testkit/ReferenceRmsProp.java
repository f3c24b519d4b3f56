package org.dpo4j.testkit;

/** torch.optim.RMSprop for one element, with the bound on fp32's error. */
public final class ReferenceRmsProp {
    public Bounded parameter;
    public Bounded square = Bounded.exact(0);
    public Bounded mean = Bounded.exact(0);
    public Bounded velocity = Bounded.exact(0);

    /** Options under torch's names. */
    public record Options(double alpha, double eps, double momentum, double weightDecay, boolean centered) {}

    public ReferenceRmsProp(Bounded parameter) {
        this.parameter = parameter;
    }

    public void step(Bounded gradient, double lr, Options o) {
        Bounded g = gradient.plus(Bounded.rounded(o.weightDecay).times(parameter));
        Bounded share = Bounded.rounded(1 - o.alpha);
        square = square.minus(share.times(square)).plus(share.times(g.times(g)));
        Bounded variance = square;
        if (o.centered) {
            mean = mean.minus(share.times(mean)).plus(share.times(g));
            variance = square.minus(mean.times(mean));
        }
        Bounded update = g.dividedBy(variance.root().plus(Bounded.rounded(o.eps)));
        if (o.momentum > 0) {
            velocity = Bounded.rounded(o.momentum).times(velocity).plus(update);
            update = velocity;
        }
        parameter = parameter.minus(Bounded.rounded(lr).times(update));
    }
}
