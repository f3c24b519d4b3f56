package org.dpo4j.model;

import java.util.List;
import java.util.Set;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.SampleTokens;

/**
 * Chooses tokens on the device, from logits that are not copied to the host. The caller gives each sequence a slot,
 * which holds the ids that the sequence contains.
 */
final class TokenSampler implements AutoCloseable {
    private final Device device;
    private final int vocabulary;
    private final Arena arena;
    private State state = new State(SampleTokens.Choice.GREEDY, SampleTokens.Seen.NONE, SampleTokens.Suppressed.NONE);

    /** Options and addresses that the launches use. */
    record State(SampleTokens.Choice choice, SampleTokens.Seen seen, SampleTokens.Suppressed suppressed) {}

    /** A prompt with the number of its sequences, which have consecutive slots. */
    record Slots(int[] prompt, int count) {}

    private record Placed(long seen, long suppressed) {}

    TokenSampler(Device device, int vocabulary) {
        this.device = device;
        this.vocabulary = vocabulary;
        this.arena = new Arena(device);
    }

    /**
     * Prepares for sequences.
     *
     * @param minNewTokens the ids of {@code ending} are not chosen before this number of tokens
     */
    void begin(Sampling sampling, int minNewTokens, Set<Integer> ending, List<Slots> slots) {
        long words = SampleTokens.bitmapWords(vocabulary);
        boolean hasSeen = sampling.repetitionPenalty() != 1;
        boolean hasSuppressed = minNewTokens > 0 && !ending.isEmpty();
        long sequences = slots.stream().mapToLong(Slots::count).sum();
        Placed placed = arena.layout(layout ->
                new Placed(hasSeen ? layout.words(sequences * words) : 0, hasSuppressed ? layout.words(words) : 0));
        if (hasSeen) {
            uploadSeen(placed.seen, 4 * words, slots);
        }
        if (hasSuppressed) {
            device.upload(
                    placed.suppressed, bitmap(ending.stream().mapToInt(id -> id).toArray()));
        }
        state = new State(
                sampling.choice(),
                hasSeen ? new SampleTokens.Seen(placed.seen, 0, words) : SampleTokens.Seen.NONE,
                hasSuppressed
                        ? new SampleTokens.Suppressed(placed.suppressed, minNewTokens)
                        : SampleTokens.Suppressed.NONE);
    }

    private void uploadSeen(long address, long bytes, List<Slots> slots) {
        long next = address;
        for (Slots each : slots) {
            long first = next;
            device.upload(first, bitmap(each.prompt));
            for (int i = 1; i < each.count; i++) {
                device.copy(first + i * bytes, first, bytes);
            }
            next += each.count * bytes;
        }
    }

    private int[] bitmap(int[] ids) {
        int[] bitmap = new int[SampleTokens.bitmapWords(vocabulary)];
        for (int id : ids) {
            SampleTokens.setBit(bitmap, id);
        }
        return bitmap;
    }

    /** What a CUDA graph with {@link #queue} depends on, besides its arguments. */
    State state() {
        return state;
    }

    /**
     * Queues the choice of a token for each row.
     *
     * @param slots i32[rows.count], the slot of the sequence of each row
     */
    void queue(SampleTokens.Rows rows, SampleTokens.Logits logits, long slots) {
        SampleTokens.Seen seen = state.seen;
        SampleTokens.forward(
                device,
                rows,
                logits,
                state.choice,
                new SampleTokens.Seen(seen.seen(), slots, seen.stride()),
                state.suppressed);
    }

    @Override
    public void close() {
        arena.close();
    }
}
