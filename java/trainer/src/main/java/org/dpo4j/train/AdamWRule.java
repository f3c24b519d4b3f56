package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.Parameters;

/** AdamW with moments in f32, or in bf16 that are rounded stochastically. */
final class AdamWRule implements OptimizerRule {
    private final List<Range> ranges;
    private final OptimizerOptions options;
    private final DType moments;
    private final long count;

    AdamWRule(Parameters parameters, OptimizerOptions options) {
        this.ranges = Range.all(parameters, options.weightDecay);
        this.options = options;
        this.moments = options.adamMomentsDtype.storage();
        this.count = parameters.count();
    }

    @Override
    public String stateName() {
        return "AdamW's moments";
    }

    @Override
    public List<StateArray> arrays() {
        String format = moments == DType.F32 ? "F32" : "BF16";
        return List.of(new StateArray("exp_avg", format, count), new StateArray("exp_avg_sq", format, count));
    }

    @Override
    public CountStep.Corrections corrections(long address) {
        return new CountStep.Corrections(address, options.adamBeta1, options.adamBeta2);
    }

    static AdamWOptions options(OptimizerOptions options, double weightDecay) {
        return new AdamWOptions(options.adamBeta1, options.adamBeta2, options.adamEpsilon, weightDecay);
    }

    @Override
    public void queue(Weights weights, long[] arrays) {
        for (Range range : ranges) {
            long offset = moments.bytes() * range.begin();
            AdamW.step(
                    weights.device(),
                    weights.update(range.begin(), range.end()),
                    new AdamW.Moments(arrays[0] + offset, arrays[1] + offset, moments),
                    options(options, range.weightDecay()));
        }
    }
}
