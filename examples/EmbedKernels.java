///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.dpo4j:dpo4j-kernels:0.1.0-SNAPSHOT
//DEPS org.dpo4j:dpo4j-kernels:0.1.0-SNAPSHOT:linux-x86_64

import java.util.stream.IntStream;
import org.dpo4j.kernels.*;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.Logits;

/**
 * Computes the DPO loss of logits, and the gradient of the logits, in memory that the caller owns.
 *
 * <pre>
 * java -cp 'java/trainer/target/*:java/trainer/target/lib/*' examples/EmbedKernels.java [cpu|cuda]
 * </pre>
 */
class EmbedKernels {
    public static void main(String[] args) {
        int pairs = 1;
        int tokens = 4; // two of the chosen completion, two of the rejected
        int vocabulary = 16;
        try (Device device = Devices.open(args.length == 0 ? "cpu" : args[0]);
                DeviceBuffer memory = device.allocate(10 * 256)) {
            long[] at = IntStream.range(0, 10).mapToLong(i -> memory.address() + 256L * i).toArray();
            long logits = at[0], targets = at[1], offsets = at[2], reference = at[3]; // in
            long logProb = at[4], lse = at[5], sums = at[6], losses = at[7], dSums = at[8], dLogProb = at[9]; // out
            float[] values = new float[tokens * vocabulary];
            IntStream.range(0, values.length).forEach(i -> values[i] = i % 7 - i % 5);
            device.upload(logits, values);
            device.upload(targets, new int[] {3, 1, 4, 15});
            device.upload(offsets, new int[] {0, 2, 4});
            device.upload(reference, new float[] {-9, -5});

            Logits rows = new Logits(logits, vocabulary, vocabulary, DType.F32);
            Sequences completions = new Sequences(offsets, 2 * pairs); // chosen, rejected of pair 0, of pair 1, ...
            TokenLogProb.forward(device, new TokenResults(logProb, lse), rows, targets, tokens);
            SequenceSum.forward(device, sums, logProb, completions);
            PreferenceLoss.compute(
                    device,
                    new PairResults(losses, dSums),
                    new PairLogProbs(sums, reference),
                    pairs,
                    PreferenceLoss.NO_WORKSPACE,
                    new Scale(1f / pairs),
                    PreferenceOptions.forLoss(LossType.SIGMOID));
            SequenceSum.backward(device, dLogProb, dSums, completions);
            TokenLogProb.backward(device, LogitsGradient.inPlace(rows), rows, targets, lse, dLogProb, tokens);

            System.out.printf("loss %.6f%n", device.downloadFloats(losses, 1)[0]);
            System.out.printf("d loss / d logits[0, 3] %.6f%n", device.downloadFloats(logits, 4)[3]);
        }
    }
}
