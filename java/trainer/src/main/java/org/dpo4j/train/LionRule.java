package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.decoder.Lion;
import org.dpo4j.model.Parameters;

/** Lion, with {@code adam_beta1} and {@code adam_beta2}, as in transformers. */
final class LionRule implements OptimizerRule {
    private final List<Range> ranges;
    private final OptimizerOptions options;
    private final long count;

    LionRule(Parameters parameters, OptimizerOptions options) {
        this.ranges = Range.all(parameters, options.weightDecay);
        this.options = options;
        this.count = parameters.count();
    }

    @Override
    public String stateName() {
        return "Lion's mean";
    }

    @Override
    public List<StateArray> arrays() {
        return List.of(new StateArray("exp_avg", "F32", count));
    }

    @Override
    public void queue(Weights weights, long[] arrays) {
        for (Range range : ranges) {
            Lion.step(
                    weights.device(),
                    weights.update(range.begin(), range.end()),
                    range.at(arrays[0]),
                    new Lion.Options(options.adamBeta1, options.adamBeta2, range.weightDecay()));
        }
    }
}
