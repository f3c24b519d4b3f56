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
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.HeadGradients;
import org.dpo4j.kernels.head.LmHead.HeadRows;

/**
 * Computes the DPO loss of hidden states, and the gradients of hidden states and head weight. Only a chunk of logits is in
 * memory at a time.
 *
 * <pre>
 * java -cp 'java/trainer/target/*:java/trainer/target/lib/*' examples/EmbedHead.java [cpu|cuda]
 * </pre>
 */
class EmbedHead {
    public static void main(String[] args) {
        int pairs = 1;
        int tokens = 4; // two of the chosen completion, two of the rejected
        int vocabulary = 16;
        int width = 8;
        HeadPlan plan = HeadPlan.within(64 << 10, tokens, HeadPlan.Use.TRAINING, vocabulary, width, DType.F32);
        try (Device device = Devices.open(args.length == 0 ? "cpu" : args[0]);
                DeviceBuffer memory = device.allocate(13 * 512);
                DeviceBuffer workspace = device.allocate(plan.workspaceBytes())) {
            long[] at = IntStream.range(0, 13).mapToLong(i -> memory.address() + 512L * i).toArray();
            long hidden = at[0], weight = at[1], targets = at[2], offsets = at[3], reference = at[4]; // in
            long dHidden = at[5], dWeight = at[6], losses = at[7]; // out
            long logProb = at[8], lse = at[9], sums = at[10], dSums = at[11], dLogProb = at[12];
            device.upload(hidden, values(tokens * width, 5));
            device.upload(weight, values(vocabulary * width, 7));
            device.upload(targets, new int[] {3, 1, 4, 15});
            device.upload(offsets, new int[] {0, 2, 4});
            device.upload(reference, new float[] {-9, -5});

            LmHead head = new LmHead(device, plan, weight, Transform.NONE, workspace.address());
            HeadRows rows = new HeadRows(hidden, targets, tokens);
            HeadGradients gradients = new HeadGradients(dHidden, dWeight).overwritingWeight(); // else backward adds to it
            Sequences completions = new Sequences(offsets, 2 * pairs); // chosen, rejected of pair 0, of pair 1, ...
            head.forwardUnit(gradients, new TokenResults(logProb, lse), rows);
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
            head.backward(gradients, rows, lse, dLogProb);

            System.out.printf("%d products with the head%n", plan.products(tokens));
            System.out.printf("loss %.6f%n", device.downloadFloats(losses, 1)[0]);
            System.out.printf("d loss / d hidden[0, 3] %.6f%n", device.downloadFloats(dHidden, width)[3]);
            System.out.printf("d loss / d weight[1, 2] %.6f%n", device.downloadFloats(dWeight, 2 * width)[width + 2]);
        }
    }

    private static float[] values(int count, int period) {
        float[] values = new float[count];
        IntStream.range(0, count).forEach(i -> values[i] = (i % period - i % 3) / 4f);
        return values;
    }
}
