package org.dpo4j.train;

import org.dpo4j.model.Parameters;

/** Finds the rule of an optimizer. */
final class OptimizerRules {
    private OptimizerRules() {}

    /** The rule that the options name. */
    static OptimizerRule find(Parameters parameters, OptimizerOptions options) {
        return switch (options.optim) {
            case ADAMW_TORCH, ADAMW_TORCH_FUSED -> new AdamWRule(parameters, options);
            case ADAMW_8BIT, ADAMW_BNB_8BIT -> new AdamW8bitRule(parameters, options);
            case SGD -> new SgdRule(parameters, options);
            case RMSPROP -> new RmsPropRule(parameters, options);
            case LION_32BIT -> new LionRule(parameters, options);
        };
    }
}
