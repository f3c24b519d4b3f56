package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.family.Architecture.Scales;
import org.dpo4j.testkit.ReferenceSampleTokens;
import org.dpo4j.testkit.ReferenceSampleTokens.Options;

/** Generation of a model whose logits have a soft cap. */
class LogitsCapTest {
    private static final double CAP = 1.5;
    private static final int[] PROMPT = {7, 30, 4, 11, 20};
    private static final int SAMPLES = 64;
    private static final long SEED = 9;

    /**
     * How far a cumulative probability may be from that in double precision: fp32 logits err by up to 3e-5 here
     * (GeneratorTest), which the cap does not increase, and its tanh by 8 u of 1.5. The difference of two logits errs by
     * twice that. SampleTokensTest derives 2.2e-6 for the rest.
     */
    private static final double NEAR = 2 * (3e-5 + 8e-7) + 2.2e-6;

    private static Model capped(Model plain, Device device) {
        Model capped =
                Model.create(ChangedConfig.scales(plain.config(), new Scales(1, false, 1, CAP)), device, DType.F32, 1);
        for (ParameterTensor tensor : plain.parameters().tensors()) {
            capped.parameters().writeWeights(tensor, plain.parameters().readWeights(tensor));
        }
        return capped;
    }

    /** Each sample is the inverse of the cumulative probabilities at its uniform number. */
    @OnEachDevice
    void samplesFollowTheDistributionOfCappedLogits(On on) {
        try (Model plain = Model.load(TestFiles.golden("llama-tiny"), on.device(), DType.F32);
                Model capped = capped(plain, on.device());
                Generator generator = new Generator(capped)) {
            double[][] rows = ReferenceLlama.of(plain).logits(PROMPT);
            double[] logits = rows[rows.length - 1];
            double[] ofCapped = probabilities(
                    Arrays.stream(logits).map(x -> CAP * Math.tanh(x / CAP)).toArray());
            double[] ofPlain = probabilities(logits);
            List<int[]> texts = generator
                    .generate(List.of(new Generator.Request(PROMPT, SAMPLES, SEED)), new Generator.Options(1, 1))
                    .get(0);
            int others = 0;
            for (int i = 0; i < SAMPLES; i++) {
                double uniform = ReferenceSampleTokens.uniform(SEED, i, 0);
                int token = texts.get(i)[0];
                assertThat(token)
                        .as("sample %d", i)
                        .isBetween(
                                ReferenceSampleTokens.inverse(ofCapped, uniform - NEAR),
                                ReferenceSampleTokens.inverse(ofCapped, uniform + NEAR));
                others += token == ReferenceSampleTokens.inverse(ofPlain, uniform) ? 0 : 1;
            }
            assertThat(others)
                    .as("tokens that logits without the cap would not give")
                    .isGreaterThan(SAMPLES / 4);
        }
    }

    private static double[] probabilities(double[] logits) {
        Options softmax = new Options(1, 0, 1, 0);
        return ReferenceSampleTokens.probabilities(ReferenceSampleTokens.scores(logits, softmax), softmax);
    }
}
