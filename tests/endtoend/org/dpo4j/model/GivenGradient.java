package org.dpo4j.model;

import java.util.Arrays;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;

/**
 * A loss whose gradient with respect to the sums is given. It keeps the log-probs of tokens. An object serves several
 * batches, of no more completions and tokens than it was made for.
 */
public final class GivenGradient implements CompletionLoss, AutoCloseable {
    private final Device device;
    private final int group;
    private final DeviceBuffer chunk;
    private final DeviceBuffer tokens;
    private float[] dSums = {};
    private int[] offsets = {};

    public GivenGradient(Device device, int completions, int tokens, int group) {
        this.device = device;
        this.group = group;
        this.chunk = device.allocate(4L * completions);
        this.tokens = device.allocate(4L * tokens);
    }

    /** Adds the gradient of a batch; its log-probs, f32[tokens], are at {@link #tokens} afterwards. */
    public void accumulate(TrainingModel language, PackedBatch batch, float... dSums) {
        this.dSums = dSums;
        this.offsets = batch.offsets();
        language.accumulate(batch, this);
    }

    /** Runs the pass with the noise of this key on the embeddings. */
    void accumulate(TrainingModel language, PackedBatch batch, EmbeddingNoise.Key key, float... dSums) {
        this.dSums = dSums;
        this.offsets = batch.offsets();
        language.accumulate(batch, this, key);
    }

    public float[] tokens() {
        return device.downloadFloats(tokens.address(), offsets[offsets.length - 1]);
    }

    @Override
    public int group() {
        return group;
    }

    @Override
    public void upload(int first, int count) {
        device.upload(chunk.address(), Arrays.copyOfRange(dSums, first, first + count));
    }

    @Override
    public long dSums(LogProbs logProbs, int count) {
        return chunk.address();
    }

    @Override
    public void keep(LogProbs logProbs, int first, int count) {
        int begin = offsets[first];
        device.copy(tokens.address() + 4L * begin, logProbs.tokens(), 4L * (offsets[first + count] - begin));
    }

    @Override
    public void close() {
        chunk.close();
        tokens.close();
    }
}
