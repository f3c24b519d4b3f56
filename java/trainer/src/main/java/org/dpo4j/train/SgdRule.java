package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Sgd;
import org.dpo4j.model.Parameters;

/** SGD. {@code optim_args} reads momentum, dampening and nesterov. */
final class SgdRule implements OptimizerRule {
    /** Far above any use. */
    private static final double MAX_MOMENTUM = 1e6;

    private final List<Range> ranges;
    private final double momentum;
    private final double dampening;
    private final boolean nesterov;
    private final long count;

    SgdRule(Parameters parameters, OptimizerOptions options) {
        OptimizerArgs args = options.args();
        this.ranges = Range.all(parameters, options.weightDecay);
        this.momentum = args.number("momentum", 0, MAX_MOMENTUM);
        this.dampening = args.number("dampening", 0, MAX_MOMENTUM);
        this.nesterov = args.flag("nesterov");
        this.count = parameters.count();
    }

    /** Throws, naming the key, if a value of {@code optim_args} is not allowed. */
    static void check(OptimizerArgs args) {
        double momentum = args.number("momentum", 0, MAX_MOMENTUM);
        double dampening = args.number("dampening", 0, MAX_MOMENTUM);
        if (args.flag("nesterov") && (momentum == 0 || dampening != 0)) {
            throw new Dpo4jException(
                    "optim_args: nesterov needs a momentum above 0 and no dampening; add momentum=0.9, or leave nesterov out");
        }
        if (dampening != 0 && momentum == 0) {
            throw new Dpo4jException(
                    "optim_args: dampening does nothing without momentum; add momentum=0.9, or leave dampening out");
        }
    }

    @Override
    public String stateName() {
        return "SGD's velocity";
    }

    @Override
    public List<StateArray> arrays() {
        return momentum == 0 ? List.of() : List.of(new StateArray("momentum_buffer", "F32", count));
    }

    @Override
    public void putFactors(ByteBuffer rates, int step) {
        rates.putFloat((float) (step == 1 ? 1 : 1 - dampening));
    }

    @Override
    public void queue(Weights weights, long[] arrays) {
        for (Range range : ranges) {
            Sgd.step(
                    weights.device(),
                    weights.update(range.begin(), range.end()),
                    momentum == 0 ? 0 : range.at(arrays[0]),
                    new Sgd.Options(momentum, range.weightDecay(), nesterov));
        }
    }
}
