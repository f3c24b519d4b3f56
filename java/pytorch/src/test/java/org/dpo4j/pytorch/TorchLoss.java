package org.dpo4j.pytorch;

import java.util.Arrays;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions;

/**
 * A preference loss, written as in its paper with libtorch's operations in double precision.
 *
 * @param options the options with which dpo4j computes the same loss
 * @param reference whether the loss reads log-probs of the reference model
 * @param tokenScale factor of the SFT term; 0 without one
 * @param curvature upper bound of the second derivatives with respect to sums of log-probs
 * @param formula computes the loss of each pair
 */
record TorchLoss(
        String name,
        PreferenceOptions options,
        boolean reference,
        float tokenScale,
        double curvature,
        Formula formula) {
    private static final double BETA = 0.25f;
    private static final double GAMMA = 0.5f;

    /**
     * Sums of log-probs, those of the reference ({@code of...}) and numbers of tokens ({@code in...}) of the chosen and
     * rejected completions. Each is {@code Double[pairs]}.
     */
    record Pairs(
            Tensor chosen, Tensor rejected, Tensor ofChosen, Tensor ofRejected, Tensor inChosen, Tensor inRejected) {
        Tensor margin() {
            return chosen.sub(ofChosen).sub(rejected.sub(ofRejected));
        }
    }

    @FunctionalInterface
    interface Formula {
        Tensor losses(Pairs pairs, double pairScale, double tokenScale);
    }

    /** The second derivative of log sigmoid is at most 1/4 in magnitude. */
    static final TorchLoss SIGMOID = new TorchLoss(
            "sigmoid",
            builder(LossType.SIGMOID).build(),
            true,
            0,
            BETA * BETA / 4,
            (pairs, pairScale, tokenScale) -> minusLogSigmoid(pairs.margin().mul(new Scalar(BETA))));

    /**
     * The loss squares a difference of averages over tokens. A completion has at least one token, so the second
     * derivative is at most 2.
     */
    static final TorchLoss IPO =
            new TorchLoss("ipo", builder(LossType.IPO).build(), true, 0, 2, (pairs, pairScale, tokenScale) -> {
                Tensor chosen = pairs.chosen.sub(pairs.ofChosen).div(pairs.inChosen);
                Tensor rejected = pairs.rejected.sub(pairs.ofRejected).div(pairs.inRejected);
                return chosen.sub(rejected).sub(new Scalar(1 / (2 * BETA))).pow(new Scalar(2));
            });

    static final TorchLoss SIMPO = new TorchLoss(
            "simpo",
            builder(LossType.SIMPO).simpoGamma((float) GAMMA).build(),
            false,
            0,
            BETA * BETA / 4,
            (pairs, pairScale, tokenScale) -> minusLogSigmoid(pairs.chosen
                    .div(pairs.inChosen)
                    .sub(pairs.rejected.div(pairs.inRejected))
                    .mul(new Scalar(BETA))
                    .sub(new Scalar(GAMMA))));

    /** RPO. The SFT term is linear, so its second derivative is 0. */
    static final TorchLoss SIGMOID_AND_SFT = new TorchLoss(
            "sigmoid + 0.5 sft",
            builder(LossType.SIGMOID).loss(LossType.SFT, 0.5f).build(),
            true,
            1f / 16,
            BETA * BETA / 4,
            (pairs, pairScale, tokenScale) -> minusLogSigmoid(pairs.margin().mul(new Scalar(BETA)))
                    .sub(pairs.chosen.mul(new Scalar(0.5 * tokenScale / pairScale))));

    /** Sorts the margins of the policy and of the reference, so dpo4j needs a workspace. */
    static final TorchLoss AOT = new TorchLoss(
            "aot", builder(LossType.AOT).build(), true, 0, BETA * BETA / 4, (pairs, pairScale, tokenScale) -> {
                Tensor margins = pairs.chosen.sub(pairs.rejected);
                Tensor ranks = margins.argsort().argsort();
                Tensor ofReference = pairs.ofChosen.sub(pairs.ofRejected).sort().get0();
                return minusLogSigmoid(
                        margins.sub(ofReference.index_select(0, ranks)).mul(new Scalar(BETA)));
            });

    @Override
    public String toString() {
        return name;
    }

    private static PreferenceOptions.Builder builder(LossType loss) {
        return PreferenceOptions.builder().loss(loss).beta((float) BETA);
    }

    private static Tensor minusLogSigmoid(Tensor x) {
        return torch.log_sigmoid(x).neg();
    }

    /** Sums of log-probs over completions, {@code Double[2 pairs]}, with an autograd graph to the logits. */
    static Tensor sums(Tensor logits, int[] targets, int[] offsets) {
        return members(targets, offsets).mm(logProbs(logits, targets)).squeeze(1);
    }

    /** Log-probs of the targets, {@code Double[rows, 1]}. Values of masked rows are arbitrary. */
    static Tensor logProbs(Tensor logits, int[] targets) {
        long[] read =
                Arrays.stream(targets).mapToLong(target -> Math.max(target, 0)).toArray();
        return logits.log_softmax(1).gather(1, torch.tensor(read).unsqueeze(1));
    }

    /** {@code Double[2 pairs, rows]}: 1 if the row belongs to the completion and is not masked, else 0. */
    static Tensor members(int[] targets, int[] offsets) {
        double[][] member = new double[offsets.length - 1][targets.length];
        for (int s = 0; s + 1 < offsets.length; s++) {
            for (int row = offsets[s]; row < offsets[s + 1]; row++) {
                member[s][row] = targets[row] < 0 ? 0 : 1;
            }
        }
        return matrix(member);
    }

    /** The loss of each pair, with an autograd graph to {@code sums}. */
    Tensor losses(Tensor sums, Tensor reference, int[] targets, int[] offsets, double pairScale) {
        Tensor in = members(targets, offsets).sum(1).view(-1, 2);
        Tensor pi = sums.view(-1, 2);
        Tensor referenceSums = reference.to(ScalarType.Double).view(-1, 2);
        return formula.losses(
                new Pairs(
                        pi.select(1, 0),
                        pi.select(1, 1),
                        referenceSums.select(1, 0),
                        referenceSums.select(1, 1),
                        in.select(1, 0),
                        in.select(1, 1)),
                pairScale,
                tokenScale);
    }

    private static Tensor matrix(double[]... rows) {
        Tensor matrix = torch.zeros(rows.length, rows[0].length).to(ScalarType.Double);
        DoublePointer to = new DoublePointer(matrix.data_ptr());
        for (int row = 0; row < rows.length; row++) {
            to.position((long) row * rows[0].length).put(rows[row]);
        }
        return matrix;
    }
}
