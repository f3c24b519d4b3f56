package org.dpo4j.model;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.decoder.SampleTokens;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.model.GenerationPrompt.Sample;

/** Collects the rows of a {@link GenerationPass} and the samples that choose a token from them. */
final class GenerationRows {
    private final int[] ids;
    private final int[] positions;
    private final int[] cacheRows;
    private final List<Segment> segments = new ArrayList<>();
    private final List<Integer> lengths = new ArrayList<>();
    private final List<Integer> lastRows = new ArrayList<>();
    private final List<Integer> firstSamples = new ArrayList<>(List.of(0));
    private final List<Sample> samples = new ArrayList<>();
    private int row;

    GenerationRows(int rows) {
        ids = new int[rows];
        positions = new int[rows];
        cacheRows = new int[rows];
    }

    /** The last token of each sample, after which it chooses its next. */
    static GenerationRows ofLastTokens(List<Sample> samples) {
        GenerationRows rows = new GenerationRows(samples.size());
        for (Sample sample : samples) {
            rows.addTokens(sample, sample.count - 1);
            rows.choose(List.of(sample));
        }
        return rows;
    }

    /**
     * Adds the tokens of a prompt from {@code first} on, behind those in the cache. {@code textLength}: tokens of the text for
     * which its keys are computed.
     */
    void addPrompt(GenerationPrompt prompt, int first, int textLength) {
        add(new Segment(row, prompt.length() - first, prompt.cacheBegin, first, 0, 0, 0), textLength);
        for (int i = first; i < prompt.length(); i++) {
            add(prompt.ids[i], i, prompt.cacheBegin + i);
        }
    }

    /** Adds the tokens of a sample from {@code first} on, behind those in the cache. */
    void addTokens(Sample sample, int first) {
        GenerationPrompt prompt = sample.prompt;
        int count = sample.count - first;
        add(new Segment(row, count, sample.cacheBegin, first, prompt.cacheBegin, prompt.length(), 0), sample.length());
        for (int i = first; i < sample.count; i++) {
            add(sample.tokens[i], prompt.length() + i, sample.cacheBegin + i);
        }
    }

    private void add(Segment segment, int textLength) {
        segments.add(segment);
        lengths.add(textLength);
    }

    private void add(int id, int position, int cacheRow) {
        ids[row] = id;
        positions[row] = position;
        cacheRows[row] = cacheRow;
        row++;
    }

    /** Lets samples choose their next token from the logits of the row that was added last. */
    void choose(List<Sample> choosing) {
        lastRows.add(row - 1);
        samples.addAll(choosing);
        firstSamples.add(samples.size());
    }

    /** The samples, in the order of the tokens that the pass returns. */
    List<Sample> samples() {
        return samples;
    }

    /** The input of the pass. */
    GenerationPass.Rows rows() {
        PackedBatch batch =
                new PackedBatch(ids, positions, segments, ints(lengths), ints(lastRows), new int[0], new int[] {0});
        int[] slots = samples.stream().mapToInt(sample -> sample.slot).toArray();
        return new GenerationPass.Rows(batch, cacheRows, ints(firstSamples), slots, draws());
    }

    private int[] draws() {
        int[] draws = new int[SampleTokens.DRAW_WORDS * samples.size()];
        int next = 0;
        for (Sample sample : samples) {
            long seed = sample.prompt.seed;
            draws[next++] = (int) seed;
            draws[next++] = (int) (seed >>> 32);
            draws[next++] = sample.number;
            draws[next++] = sample.count;
        }
        return draws;
    }

    private static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
