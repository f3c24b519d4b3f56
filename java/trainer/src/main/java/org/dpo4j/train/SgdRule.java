package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.decoder.Sgd;
import org.dpo4j.model.Parameters;

/** SGD. {@code optim_args} reads momentum, dampening and nesterov. */
final class SgdRule implements OptimizerRule {
    private final List<Range> ranges;
    private final double momentum;
    private final double dampening;
    private final boolean nesterov;
    private final long count;

    SgdRule(Parameters parameters, OptimizerOptions options) {
        OptimizerArgs args = options.args();
        this.ranges = Range.all(parameters, options.weightDecay);
        this.momentum = args.momentum();
        this.dampening = args.dampening();
        this.nesterov = args.flag("nesterov");
        this.count = parameters.count();
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
    public void queue(Weights weights, long[] arrays) {
        for (Range range : ranges) {
            Sgd.step(
                    weights.device(),
                    weights.update(range.begin(), range.end()),
                    momentum == 0 ? 0 : range.at(arrays[0]),
                    weights.steps(),
                    new Sgd.Options(momentum, dampening, range.weightDecay(), nesterov));
        }
    }
}
