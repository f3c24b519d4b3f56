package org.dpo4j.data.row;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.row.ReadRows.BLUE;
import static org.dpo4j.data.row.ReadRows.GREEN;
import static org.dpo4j.data.row.ReadRows.PAIR;
import static org.dpo4j.data.row.ReadRows.SKY;
import static org.dpo4j.data.row.ReadRows.assertPair;
import static org.dpo4j.data.row.ReadRows.assertRefused;
import static org.dpo4j.data.row.ReadRows.one;
import static org.dpo4j.data.row.ReadRows.read;
import static org.dpo4j.data.row.ReadRows.show;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.BadRow;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What rows with pairs say: text, messages, transcripts, several answers, weights. */
class PairRowsTest {
    @Test
    void pairsOfText() {
        assertPair("{'prompt':'Sky?','chosen':' Blue.','rejected':' Green.'}", "Sky? |  Blue. |  Green.");
        assertPair("{'prompt_ids':[1],'chosen_ids':[2,3],'rejected_ids':[]}", "[1] | [2, 3] | []");
    }

    /** The same pair, as every format of conversations has it. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'prompt':[SKY],'chosen':[BLUE],'rejected':[GREEN]}",
                "{'prompt':'Sky?','chosen':[BLUE],'rejected':[GREEN]}",
                "{'prompt':[SKY],'chosen':'Blue.','rejected':'Green.'}",
                "{'prompt':SKY,'chosen':BLUE,'rejected':GREEN}",
                "{'prompt':[{'role':'user','content':'Sky?','name':null,'tool_calls':null,'reasoning_content':null}],"
                        + "'chosen':[BLUE],'rejected':[GREEN],'tools':null,'system':null,'documents':null}",
                "{'chosen':[SKY,BLUE],'rejected':[SKY,GREEN]}",
                "{'prompt':'Sky?','chosen':[SKY,BLUE],'rejected':[SKY,GREEN]}",
                "{'prompt':[SKY],'chosen':[SKY,BLUE],'rejected':[SKY,GREEN]}",
                "{'prompt':'Sky?','chosen':[SKY,BLUE],'rejected':[SKY,GREEN],'messages':[SKY,BLUE],'score':1}",
                "{'messages':[SKY],'chosen':BLUE,'rejected':GREEN}",
                "{'conversations':[{'from':'human','value':'Sky?'}],'chosen':{'from':'gpt','value':'Blue.'},"
                        + "'rejected':{'from':'gpt','value':'Green.'}}",
                "{'instruction':'Sky?','input':'','output':'Blue.','chosen':'Blue.','rejected':'Green.'}",
                "{'system':'','prompt':'Sky?','chosen':'Blue.','rejected':'Green.'}",
                "{'input':{'messages':[SKY],'tools':[],'parallel_tool_calls':true},'preferred_output':[BLUE],"
                        + "'non_preferred_output':[GREEN]}",
                "{'prompt':[{'role':'user','content':[{'type':'text','text':'S'},{'type':'text','text':'ky?'}]}],"
                        + "'chosen':[BLUE],'rejected':[GREEN]}",
                "{'prompt':[{'role':'human','content':'Sky?'}],'chosen':[{'role':'gpt','content':'Blue.'}],"
                        + "'rejected':[GREEN]}",
                "{'prompt':'Sky?','chosen':[BLUE],'rejected':[GREEN],'images':[],'completion':null}"
            })
    void pairsOfMessages(String row) {
        assertPair(row.replace("SKY", SKY).replace("BLUE", BLUE).replace("GREEN", GREEN), PAIR);
    }

    @Test
    void anInstructionHasInputAndHistory() {
        assertPair(
                "{'instruction':'Add.','input':'1 2','history':[['Hi','Ho']],'system':'S','chosen':'3','rejected':'4'}",
                "system: S / user: Hi / assistant: Ho / user: Add.\n1 2 | assistant: 3 | assistant: 4");
    }

    @Test
    void conversationsOfSeveralTurnsDifferInTheLastOnes() {
        String turns = SKY + "," + BLUE + ",{'role':'user','content':'Sure?'}";
        assertPair(
                "{'chosen':[" + turns + "," + BLUE + "],'rejected':[" + turns + "," + GREEN + "]}",
                "user: Sky? / assistant: Blue. / user: Sure? | assistant: Blue. | assistant: Green.");
        assertPair(
                "{'chosen':[" + SKY + "," + BLUE + "],'rejected':[" + turns + "," + GREEN + "]}",
                "user: Sky? | assistant: Blue. | assistant: Blue. / user: Sure? / assistant: Green.");
    }

    @Test
    void conversationsThatShareNoPromptAreRefused() {
        assertRefused(
                "{'chosen':[" + SKY + "," + BLUE + "],'rejected':[" + GREEN + "]}",
                Kind.PAIR,
                "there is no prompt, and chosen and rejected do not begin with the same message; add a prompt");
        assertRefused(
                "{'chosen':[" + SKY + "," + BLUE + ",{'role':'user','content':'a'}," + BLUE + "],'rejected':[" + SKY
                        + "," + BLUE + ",{'role':'user','content':'b'}," + BLUE + "]}",
                Kind.PAIR,
                "chosen and rejected differ in message 3, of user and user; they may differ only from an answer of the"
                        + " assistant on");
        assertRefused(
                "{'prompt':'Sea?','chosen':[" + SKY + "," + BLUE + "],'rejected':[" + SKY + "," + GREEN + "]}",
                Kind.PAIR,
                "prompt is text, but chosen and rejected are whole conversations without a message of this text; leave"
                        + " prompt out with column_map, or give only the answers");
    }

    /** TRL's extract_prompt cuts within words, leaves sides empty, and wraps around when nothing is shared. */
    @ParameterizedTest
    @CsvSource({
        "Sky? Blue., Sky? Green., 'Sky? |  Blue. |  Green.'",
        "'Sky?\nBlue.', 'Sky?\nGreen.', 'Sky?\n | Blue. | Green.'",
        "Sky? Yes, Sky? Yesterday, 'Sky? |  Yes |  Yesterday'",
        "Sky? It is blue, Sky? It is green, 'Sky? It is |  blue |  green'",
        "Sky? Yes, Sky? Yes sir, 'Sky? |  Yes |  Yes sir'",
        "Sky?Blue, Sky?Black, Sky? | Blue | Black",
        "Sky? caf\u0065\u0301, Sky? cafe, 'Sky? |  caf\u0065\u0301 |  cafe'",
        "Sky? don't, Sky? do, 'Sky? |  don''t |  do'",
        "Sky?😀, Sky?😁, Sky? | 😀 | 😁",
        "天空?蓝色, 天空?绿色, 天空? | 蓝色 | 绿色"
    })
    void aSharedBeginningIsThePrompt(String chosen, String rejected, String expected) {
        ObjectNode row =
                JsonNodeFactory.instance.objectNode().put("chosen", chosen).put("rejected", rejected);
        assertThat(show(readRow(row).content())).isEqualTo(expected);
    }

    private static Example readRow(ObjectNode row) {
        try {
            return RowFormats.find(row, EnumSet.of(Kind.PAIR)).read(row).get(0);
        } catch (BadRow bad) {
            throw new IllegalArgumentException(bad.getMessage(), bad);
        }
    }

    @Test
    void textsWithoutASharedWordAreRefused() {
        String message = "there is no prompt, and chosen and rejected do not begin with the same word; add a prompt";
        assertRefused("{'chosen':'Blue ','rejected':'Green '}", Kind.PAIR, message);
        assertRefused("{'chosen':'Blue','rejected':'Black'}", Kind.PAIR, message);
        assertRefused("{'chosen':'','rejected':'Black'}", Kind.PAIR, "chosen is empty");
        assertRefused(
                "{'chosen':'a','rejected':'a'}",
                Kind.PAIR,
                "there is no prompt, and chosen and rejected are the same, so where the prompt ends is not known; add a prompt");
    }

    private static void assertWeights(String row, Map<String, Float> expected) {
        List<Example> examples = read(row, Kind.PAIR);
        assertThat(examples.stream().collect(Collectors.toMap(each -> show(each.content()), Example::weight)))
                .isEqualTo(expected);
    }

    /** The weights of the pairs of one row add up to its weight. */
    @Test
    void severalAnswersMakeSeveralPairs() {
        assertWeights("{'prompt':'p','chosen':'a','rejected':['b','c']}", Map.of("p | a | b", 0.5f, "p | a | c", 0.5f));
        assertWeights(
                "{'prompt':'p','chosen':'a','rejected':['b','c'],'weight':0.5}",
                Map.of("p | a | b", 0.25f, "p | a | c", 0.25f));
        assertWeights(
                "{'prompt':[" + SKY + "],'chosen':[" + BLUE + "],'rejected':[[" + GREEN + "],[" + GREEN + "," + SKY
                        + "," + BLUE + "]]}",
                Map.of(PAIR, 0.5f, PAIR + " / user: Sky? / assistant: Blue.", 0.5f));
        float third = 1f / 3;
        assertWeights(
                "{'prompt':'p','responses':['a','b','c'],'scores':[0.5,2,-1]}",
                Map.of("p | b | a", third, "p | b | c", third, "p | a | c", third));
        assertWeights("{'prompt':'p','responses':['a','b'],'ranking':[2,1]}", Map.of("p | b | a", 1f));
        assertWeights(
                "{'prompt':'p','responses':['a','b','c'],'scores':[1,1,0]}",
                Map.of("p | a | c", 0.5f, "p | b | c", 0.5f));
        assertWeights(
                "{'source':'s','instruction':'Sky?','models':['m','n'],'completions':[{'model':'m','response':'Green.',"
                        + "'overall_score':2.5},{'model':'n','response':'Blue.','overall_score':8}]}",
                Map.of(PAIR, 1f));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
        {'prompt':'p','responses':['a','b'],'scores':[1,1]} | none of its 2 answers is better than another; there is nothing to prefer
        {'prompt':'p','responses':['a','b'],'scores':[1]} | scores is a list of 1; give a list of 2 numbers, one for each response
        {'prompt':'p','responses':['a','b'],'scores':[1,'2']} | scores[1] is the text '2'; give a number
        {'prompt':'p','responses':['a','b'],'ranking':[0,1]} | ranking has the place 0.0; give the place of each response, 1 for the best
        {'prompt':'p','responses':[],'scores':[]} | responses is an empty list; give a list of answers
        {'prompt':'p','responses':'a','scores':[1]} | responses is the text 'a'; give a list of answers
        {'prompt':'p','completions':[{'response':'a'},{'response':'b'}]} | completions[0].score is missing; give a number
        {'prompt':'p','responses':['a','b'],'scores':[1,2],'ranking':[1,2]} | it can be read as [prompt, responses, scores] or as [prompt, responses, ranking]; leave out the columns of the others with column_map
        {'prompt':'p','chosen':'a','rejected':['b','c'],'ref_chosen_logps':-1,'ref_rejected_logps':-2} | ref_rejected_logps is one number, but there are 2 rejected answers; leave the reference's log-probs out
        """)
    void answersThatCannotBeRankedAreRefused(String row, String message) {
        assertThatThrownBy(() -> read(row, Kind.PAIR))
                .extracting(each -> String.valueOf(each.getMessage()).replace('"', '\''))
                .isEqualTo(message);
    }

    @Test
    void weightsAndLogProbsOfTheReference() {
        Example.Pair pair = (Example.Pair) one(
                "{'prompt':'p','chosen':'a','rejected':'b','weight':2,'ref_chosen_logps':-1.5,'ref_rejected_logps':-3}",
                Kind.PAIR);
        assertThat(pair.weight()).isEqualTo(2);
        assertThat(pair.reference()).isEqualTo(new Example.ReferenceSums(-1.5f, -3));
        Example.Pair plain = (Example.Pair) one("{'prompt':'p','chosen':'a','rejected':'b','margin':2}", Kind.PAIR);
        assertThat(plain.weight()).isEqualTo(1);
        assertThat(plain.reference()).isEqualTo(Example.ReferenceSums.NONE);
    }
}
