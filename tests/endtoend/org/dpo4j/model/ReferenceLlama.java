package org.dpo4j.model;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.dpo4j.model.family.Architecture;

/**
 * A Llama in double precision, written as plain loops. It shares nothing with the model under test but the names of
 * tensors.
 */
final class ReferenceLlama {
    private final Map<String, double[]> weights = new HashMap<>();
    private final Architecture architecture;

    ReferenceLlama(Architecture architecture) {
        this.architecture = architecture;
    }

    /** The weights of a model, read from its device. */
    static ReferenceLlama of(Model model) {
        ReferenceLlama reference = new ReferenceLlama(model.architecture());
        for (ParameterTensor tensor : model.parameters().tensors()) {
            reference.weights.put(
                    tensor.name(), GradientTest.doubles(model.parameters().readWeights(tensor)));
        }
        return reference;
    }

    double[] weight(String name) {
        return Objects.requireNonNull(weights.get(name), name);
    }

    /** Logits that predict each completion token after a prompt. */
    private double[][] completionLogits(int[] prompt, int[] completion) {
        int[] ids =
                IntStream.concat(IntStream.of(prompt), IntStream.of(completion)).toArray();
        return Arrays.copyOfRange(logits(ids), prompt.length - 1, ids.length - 1);
    }

    /** Sums over a completion's tokens of each TokenLogProb.Statistic. */
    double[] statistics(int[] prompt, int[] completion) {
        double[][] logits = completionLogits(prompt, completion);
        double[] sums = new double[4];
        for (int i = 0; i < completion.length; i++) {
            double[] row = logits[i];
            double lse = logSumExp(row, row.length);
            double squares = 0;
            int argmax = 0;
            for (int j = 0; j < row.length; j++) {
                double p = Math.exp(row[j] - lse);
                sums[0] -= p * (row[j] - lse);
                sums[2] += row[j] / row.length;
                squares += p * p;
                argmax = row[j] > row[argmax] ? j : argmax;
            }
            sums[1] += argmax == completion[i] ? 1 : 0;
            sums[3] += row[completion[i]] - lse - Math.log(squares);
        }
        return sums;
    }

    /** The log-prob of a completion after a prompt. */
    double sum(int[] prompt, int[] completion) {
        double[][] logits = completionLogits(prompt, completion);
        double sum = 0;
        for (int i = 0; i < completion.length; i++) {
            sum += logits[i][completion[i]] - logSumExp(logits[i], logits[i].length);
        }
        return sum;
    }

    /** [tokens][vocabulary]. */
    double[][] logits(int[] ids) {
        double[][] x = new double[ids.length][];
        for (int t = 0; t < ids.length; t++) {
            int width = architecture.hiddenSize();
            x[t] = Arrays.copyOfRange(weight("model.embed_tokens.weight"), ids[t] * width, (ids[t] + 1) * width);
        }
        for (int i = 0; i < architecture.layerCount(); i++) {
            String layer = "model.layers." + i + ".";
            add(x, attention(normed(x, layer + "input_layernorm.weight"), layer + "self_attn."));
            add(x, feedForward(normed(x, layer + "post_attention_layernorm.weight"), layer + "mlp."));
        }
        String head = architecture.isHeadTied() ? "model.embed_tokens.weight" : "lm_head.weight";
        return project(normed(x, "model.norm.weight"), head, architecture.vocabSize());
    }

    private double[][] attention(double[][] x, String names) {
        int width = architecture.attention().headDim();
        int heads = architecture.attention().heads();
        int keyHeads = architecture.attention().keyHeads();
        double[][] q = rotated(project(x, names + "q_proj.weight", heads * width), heads);
        double[][] k = rotated(project(x, names + "k_proj.weight", keyHeads * width), keyHeads);
        double[][] v = project(x, names + "v_proj.weight", keyHeads * width);
        double[][] out = new double[x.length][heads * width];
        for (int t = 0; t < x.length; t++) {
            for (int h = 0; h < heads; h++) {
                int shared = h / (heads / keyHeads);
                double[] scores = new double[t + 1];
                for (int s = 0; s <= t; s++) {
                    for (int d = 0; d < width; d++) {
                        scores[s] += q[t][h * width + d] * k[s][shared * width + d] / Math.sqrt(width);
                    }
                }
                double lse = logSumExp(scores, t + 1);
                for (int s = 0; s <= t; s++) {
                    for (int d = 0; d < width; d++) {
                        out[t][h * width + d] += Math.exp(scores[s] - lse) * v[s][shared * width + d];
                    }
                }
            }
        }
        return project(out, names + "o_proj.weight", architecture.hiddenSize());
    }

    private double[][] rotated(double[][] x, int heads) {
        int half = architecture.attention().headDim() / 2;
        double[][] out = new double[x.length][x[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < half; i++) {
                    float frequency = 1
                            / (float) Math.pow(
                                    (float) Objects.requireNonNull(architecture
                                                    .attention()
                                                    .layers()
                                                    .get(0)
                                                    .rotation())
                                            .theta(),
                                    2f * i / architecture.attention().headDim());
                    float angle = t * frequency; // fp32, as transformers has it in a float64 model too
                    int first = h * architecture.attention().headDim() + i;
                    int second = first + half;
                    out[t][first] = x[t][first] * Math.cos(angle) - x[t][second] * Math.sin(angle);
                    out[t][second] = x[t][second] * Math.cos(angle) + x[t][first] * Math.sin(angle);
                }
            }
        }
        return out;
    }

    private double[][] feedForward(double[][] x, String names) {
        double[][] gate =
                project(x, names + "gate_proj.weight", architecture.mlp().innerSize());
        double[][] up = project(x, names + "up_proj.weight", architecture.mlp().innerSize());
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < gate[t].length; i++) {
                gate[t][i] = gate[t][i] / (1 + Math.exp(-gate[t][i])) * up[t][i];
            }
        }
        return project(gate, names + "down_proj.weight", architecture.hiddenSize());
    }

    private double[][] normed(double[][] x, String name) {
        double[] weight = weight(name);
        double[][] out = new double[x.length][weight.length];
        for (int t = 0; t < x.length; t++) {
            double squares = 0;
            for (double value : x[t]) {
                squares += value * value;
            }
            double root =
                    Math.sqrt(squares / weight.length + architecture.norm().epsilon());
            for (int i = 0; i < weight.length; i++) {
                out[t][i] = weight[i] * x[t][i] / root;
            }
        }
        return out;
    }

    /** x W^T. */
    private double[][] project(double[][] x, String name, int out) {
        double[] weight = weight(name);
        int in = x[0].length;
        double[][] y = new double[x.length][out];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < out; o++) {
                for (int i = 0; i < in; i++) {
                    y[t][o] += weight[o * in + i] * x[t][i];
                }
            }
        }
        return y;
    }

    private static void add(double[][] x, double[][] branch) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += branch[t][i];
            }
        }
    }

    private static double logSumExp(double[] values, int count) {
        double max = Arrays.stream(values, 0, count).max().orElseThrow();
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Math.exp(values[i] - max);
        }
        return max + Math.log(sum);
    }
}
