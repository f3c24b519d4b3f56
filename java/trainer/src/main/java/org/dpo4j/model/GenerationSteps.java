package org.dpo4j.model;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.dpo4j.model.GenerationPrompt.Sample;

/**
 * The decode step of {@link Generator}, one at a time: the greedy token of each of several texts from its last token and the
 * keys of those before it. A step does not extend the texts. So every step computes the same.
 */
public final class GenerationSteps implements AutoCloseable {
    private final TokenSampler sampler;
    private final GenerationPass pass;
    private final List<Sample> samples = new ArrayList<>();

    /**
     * Reads the prompts, and chooses a first token after each. A step then attends to the keys of prompt and token.
     *
     * @param prompts token ids, in number at least 1 and less than the model's positions
     */
    public GenerationSteps(Model model, List<int[]> prompts) {
        sampler = new TokenSampler(model.device(), model.architecture().vocabSize());
        pass = new GenerationPass(model, sampler);
        int rows = 0;
        for (int[] ids : prompts) {
            GenerationPrompt prompt = new GenerationPrompt(samples.size(), ids, 0, rows, 1);
            samples.add(new Sample(prompt, 0, samples.size(), rows + ids.length));
            rows += ids.length + 1;
        }
        pass.reserve(rows, 0);
        sampler.begin(
                Sampling.GREEDY,
                0,
                new HashSet<>(),
                prompts.stream().map(ids -> new TokenSampler.Slots(ids, 1)).toList());
        for (Sample sample : samples) {
            sample.tokens[0] = firstToken(sample);
            sample.count = 1;
        }
    }

    private int firstToken(Sample sample) {
        GenerationRows rows = new GenerationRows(sample.prompt.length());
        rows.addPrompt(sample.prompt, 0, sample.prompt.length());
        rows.choose(List.of(sample));
        return pass.prompts(rows.rows())[0];
    }

    /** The next token of each text; negative if its logits are not finite. Waits for the device. */
    public int[] step() {
        return pass.step(GenerationRows.ofLastTokens(samples).rows());
    }

    /**
     * Reads a whole text again, without split keys. Returns by how much the logit of {@code token} is below the max logit
     * after the text, as a share of the latter.
     */
    public double shareBelowMax(int text, int token) {
        Sample sample = samples.get(text);
        GenerationRows collected = new GenerationRows(sample.length());
        collected.addPrompt(sample.prompt, 0, sample.length());
        collected.addTokens(sample, 0);
        collected.choose(List.of(sample));
        GenerationPass.Rows rows = collected.rows();
        double max = pass.logit(rows, 0, pass.prompts(rows)[0]);
        return (max - pass.logit(rows, 0, token)) / Math.abs(max);
    }

    @Override
    public void close() {
        pass.close();
        sampler.close();
    }
}
