package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.model.Model;
import org.dpo4j.report.RunListener;

/** An objective, but that the gradients of some steps are not finite, or its loss is not. */
final class PoisonedObjective implements Objective {
    private final Objective objective;
    private final Model model;
    private final Set<Integer> poisoned;
    private final double loss;
    private int step;

    /** Steps are counted from 1; where {@code loss} is not finite, it is that of every line of metrics. */
    PoisonedObjective(Objective objective, Model model, Set<Integer> poisoned, double loss) {
        this.objective = objective;
        this.model = model;
        this.poisoned = poisoned;
        this.loss = loss;
    }

    @Override
    public int rows() {
        return objective.rows();
    }

    @Override
    public String unit() {
        return objective.unit();
    }

    @Override
    public Map<String, String> facts() {
        return objective.facts();
    }

    @Override
    public long bytes() {
        return objective.bytes();
    }

    @Override
    public Passes passes(Steps steps) {
        return objective.passes(steps);
    }

    @Override
    public Reference reference(Steps steps, RunListener listener) {
        return objective.reference(steps, listener);
    }

    @Override
    public void begin(Reference reference, RunListener listener) {
        objective.begin(reference, listener);
    }

    @Override
    public long tokens(int[] rows) {
        return objective.tokens(rows);
    }

    @Override
    public void accumulate(List<int[]> microBatches) {
        step++;
        objective.accumulate(microBatches);
        if (poisoned.contains(step)) {
            ByteBuffer infinity = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.nativeOrder());
            infinity.putFloat(Float.POSITIVE_INFINITY).flip();
            model.device().upload(model.parameters().gradients() + 5 * Float.BYTES, infinity);
        }
    }

    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> metrics = new HashMap<>(objective.metrics());
        if (!Double.isFinite(loss)) {
            metrics.put("loss", loss);
        }
        return metrics;
    }

    @Override
    public Map<String, Double> evaluate() {
        return objective.evaluate();
    }

    @Override
    public void close() {
        objective.close();
    }
}
