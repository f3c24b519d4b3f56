package org.dpo4j.train;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.decoder.RmsProp;
import org.dpo4j.model.Parameters;

/** RMSprop. {@code optim_args} reads alpha, eps, momentum and centered; their defaults are PyTorch's. */
final class RmsPropRule implements OptimizerRule {
    private final List<Range> ranges;
    private final RmsProp.Options options;
    private final boolean isCentered;
    private final long count;

    RmsPropRule(Parameters parameters, OptimizerOptions options) {
        this.ranges = Range.all(parameters, options.weightDecay);
        this.options = options.args().rmsProp();
        this.isCentered = options.args().flag("centered");
        this.count = parameters.count();
    }

    @Override
    public String stateName() {
        return "RMSprop's means";
    }

    @Override
    public List<StateArray> arrays() {
        List<StateArray> arrays = new ArrayList<>();
        arrays.add(new StateArray("square_avg", "F32", count));
        if (isCentered) {
            arrays.add(new StateArray("grad_avg", "F32", count));
        }
        if (options.momentum() > 0) {
            arrays.add(new StateArray("momentum_buffer", "F32", count));
        }
        return arrays;
    }

    @Override
    public void queue(Weights weights, long[] arrays) {
        long velocity = options.momentum() > 0 ? arrays[arrays.length - 1] : 0;
        for (Range range : ranges) {
            RmsProp.step(
                    weights.device(),
                    weights.update(range.begin(), range.end()),
                    new RmsProp.State(range.at(arrays[0]), isCentered ? range.at(arrays[1]) : 0, range.at(velocity)),
                    new RmsProp.Options(options.alpha(), options.epsilon(), options.momentum(), range.weightDecay()));
        }
    }
}
