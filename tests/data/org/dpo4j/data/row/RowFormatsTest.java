package org.dpo4j.data.row;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What rows of every format say. Rows are written with single quotes for double ones. */
class RowFormatsTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final String SKY = "{'role':'user','content':'Sky?'}";
    private static final String BLUE = "{'role':'assistant','content':'Blue.'}";
    private static final String GREEN = "{'role':'assistant','content':'Green.'}";
    private static final String PAIR = "user: Sky? | assistant: Blue. | assistant: Green.";

    private static ObjectNode row(String text) {
        try {
            return (ObjectNode) JSON.readTree(text.replace('\'', '"'));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(text, e);
        }
    }

    private static List<Example> read(String text, Kind kind) {
        ObjectNode row = row(text);
        try {
            return RowFormats.find(row, EnumSet.of(kind)).read(row);
        } catch (BadRow bad) {
            throw new IllegalArgumentException(bad.getMessage(), bad);
        }
    }

    private static Example one(String text, Kind kind) {
        List<Example> examples = read(text, kind);
        assertThat(examples).hasSize(1);
        return examples.get(0);
    }

    private static void assertRefused(String text, Kind kind, String message) {
        assertThatThrownBy(() -> read(text, kind)).hasMessage(message);
    }

    /** Prompt and completions, divided by bars; messages as {@code role: content}, divided by slashes. */
    private static String show(Content content) {
        if (content instanceof Content.Text text) {
            return text.prompt() + " | " + String.join(" | ", text.completions());
        }
        if (content instanceof Content.Ids ids) {
            return Arrays.toString(ids.prompt()) + " | "
                    + ids.completions().stream().map(Arrays::toString).collect(Collectors.joining(" | "));
        }
        Content.Messages messages = (Content.Messages) content;
        return (messages.prompt() == null ? "" : show(messages.prompt())) + " | "
                + messages.completions().stream().map(RowFormatsTest::show).collect(Collectors.joining(" | "));
    }

    private static String show(Iterable<JsonNode> messages) {
        StringBuilder shown = new StringBuilder();
        for (JsonNode message : messages) {
            shown.append(shown.isEmpty() ? "" : " / ")
                    .append(message.path("role").asText())
                    .append(": ")
                    .append(message.path("content").asText())
                    .append(
                            message.has("tool_calls")
                                    ? message.get("tool_calls").toString().replace('"', '\'')
                                    : "");
        }
        return shown.toString();
    }

    private static void assertPair(String row, String expected) {
        assertThat(show(one(row, Kind.PAIR).content())).isEqualTo(expected);
    }

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
        ObjectNode row = JSON.createObjectNode().put("chosen", chosen).put("rejected", rejected);
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
                "chosen and rejected are the same; there is nothing to prefer");
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

    /** TRL learns the user's text here, as part of the answer. */
    @Test
    void anAnswerEndsWithAMessageOfTheAssistant() {
        String message = " ends with a message of user, which would be learnt; end it with the assistant's answer";
        String prompt = "{'prompt':[" + SKY + "],'chosen':[" + BLUE;
        assertRefused(prompt + "," + SKY + "],'rejected':[" + GREEN + "]}", Kind.PAIR, "chosen" + message);
        assertRefused(
                prompt + "],'rejected':[[" + GREEN + "],[" + GREEN + "," + SKY + "]]}",
                Kind.PAIR,
                "rejected" + message);
        assertRefused(
                "{'chosen':[" + SKY + "," + BLUE + "," + SKY + "],'rejected':[" + SKY + "," + GREEN + "]}",
                Kind.PAIR,
                "chosen" + message);
        String system = "{'role':'system','content':'s'}";
        assertRefused(
                "{'prompt':[" + SKY + "],'completion':[" + BLUE + "," + system + "]}",
                Kind.SINGLE,
                "completion" + message.replace("user", "system"));
        assertThat(show(one(
                                "{'prompt':[" + SKY + "],'completion':[" + BLUE + "," + SKY + "," + GREEN + "]}",
                                Kind.SINGLE)
                        .content()))
                .isEqualTo("user: Sky? | assistant: Blue. / user: Sky? / assistant: Green.");
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

    @Test
    void completionsToLearn() {
        assertThat(show(one("{'text':'a b'}", Kind.SINGLE).content())).isEqualTo("null | a b");
        assertThat(show(one("{'prompt':'a','completion':'b'}", Kind.SINGLE).content()))
                .isEqualTo("a | b");
        assertThat(show(one("{'prompt':[" + SKY + "],'completion':[" + BLUE + "]}", Kind.SINGLE)
                        .content()))
                .isEqualTo("user: Sky? | assistant: Blue.");
        String whole = " | user: Sky? / assistant: Blue.";
        assertThat(show(one("{'messages':[" + SKY + "," + BLUE + "]}", Kind.SINGLE)
                        .content()))
                .isEqualTo(whole);
        assertThat(show(one("{'messages':[" + SKY + "," + BLUE + "],'prompt':'Sky?','prompt_id':'x'}", Kind.SINGLE)
                        .content()))
                .isEqualTo(whole);
        assertThat(show(one(
                                "{'conversations':[{'from':'human','value':'Sky?'},{'from':'gpt','value':'Blue.'}]}",
                                Kind.SINGLE)
                        .content()))
                .isEqualTo(whole);
        assertThat(show(one("{'instruction':'Sky?','input':'','output':'Blue.','rejected':'x'}", Kind.SINGLE)
                        .content()))
                .isEqualTo("user: Sky? | assistant: Blue.");
    }

    @Test
    void judgedAnswers() {
        for (String row : List.of(
                "{'prompt':[" + SKY + "],'completion':[" + BLUE + "],'label':true}",
                "{'messages':[" + SKY + "," + BLUE + "],'label':1}",
                "{'conversations':[{'from':'human','value':'Sky?'},{'from':'gpt','value':'Blue.'}],'kto_tag':true}",
                "{'instruction':'Sky?','output':'Blue.','kto_tag':true}")) {
            Example.Judged judged = (Example.Judged) one(row, Kind.JUDGED);
            assertThat(show(judged.content())).isEqualTo("user: Sky? | assistant: Blue.");
            assertThat(judged.label()).isTrue();
        }
        assertThat(((Example.Judged) one("{'prompt':'p','completion':'a','label':0}", Kind.JUDGED)).label())
                .isFalse();
        assertRefused(
                "{'prompt':'p','completion':'a','label':'true'}",
                Kind.JUDGED,
                "label is the text \"true\"; give true or false, or 1 or 0");
        assertRefused(
                "{'prompt':'p','completion':'a','label':2}", Kind.JUDGED, "label is 2; give true or false, or 1 or 0");
        assertRefused(
                "{'prompt':'p','completion':'a','label':true}",
                Kind.SINGLE,
                "it has [prompt, completion, label], one judged completion; give [text] or [prompt, completion] or"
                        + " [messages] or [ids] or [prompt_ids, completion_ids]");
    }

    @Test
    void callsOfFunctions() {
        String calls = "[{'type':'function','function':{'name':'f','arguments':{'x':1}}}]";
        assertPair(
                "{'conversations':[{'from':'human','value':'Sky?'},"
                        + "{'from':'function_call','value':'{\\'name\\': \\'f\\', \\'arguments\\': {\\'x\\': 1}}'},"
                        + "{'from':'observation','value':'9'}],"
                        + "'chosen':{'from':'gpt','value':'Blue.'},'rejected':{'from':'gpt','value':'Green.'},"
                        + "'tools':'[{\\'name\\': \\'f\\'}]'}",
                "user: Sky? / assistant: " + calls + " / tool: 9 | assistant: Blue. | assistant: Green.");
        Example openAi = one(
                "{'input':{'messages':[" + SKY + "],'tools':[{'type':'function','function':{'name':'f'}}]},"
                        + "'preferred_output':[{'role':'assistant','tool_calls':[{'type':'function','function':"
                        + "{'name':'f','arguments':'{\\'x\\':1}'}}]}],'non_preferred_output':[" + GREEN + "]}",
                Kind.PAIR);
        assertThat(show(openAi.content())).isEqualTo("user: Sky? | assistant: " + calls + " | assistant: Green.");
        assertThat(((Content.Messages) openAi.content()).variables().tools())
                .hasToString("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
        {'prompt':[],'chosen':[B],'rejected':[B]} | prompt is an empty list; give at least one message
        {'prompt':'p','chosen':[B],'rejected':7} | rejected is 7; give text, or a list of messages
        {'prompt':'p','chosen':[{'role':'assistant'}],'rejected':[B]} | chosen[0] has no content; give text
        {'prompt':'p','chosen':[{'content':'a'}],'rejected':[B]} | chosen[0] has no role; give each message a role and content, or from and value
        {'prompt':'p','chosen':[{'role':null,'content':'a'}],'rejected':[B]} | chosen[0] has no role; give each message a role and content, or from and value
        {'prompt':'p','chosen':[{'role':'assistant','content':5}],'rejected':[B]} | chosen[0].content is 5; give text, or a list of text parts
        {'prompt':'p','chosen':[B,'x'],'rejected':[B]} | chosen[1] is the text 'x'; give a message with role and content
        {'prompt':'p','chosen':[{'role':'assistant','from':'gpt','content':'a'}],'rejected':[B]} | chosen[0] can be read by role and content, or by from and value; leave out one of them
        {'prompt':'p','chosen':[{'from':'robot','value':'a'}],'rejected':[B]} | chosen[0] is from robot; give human, gpt, system, function_call or observation, or user, assistant or tool
        {'prompt':'p','chosen':[{'from':'function_call','value':'f(x)'}],'rejected':[B]} | chosen[0].value is a text that is not JSON:
        {'prompt':'p','chosen':[{'role':'assistant','content':[{'type':'image_url','image_url':'u'}]}],'rejected':[B]} | chosen[0].content[0] is of type image_url, and the model reads only text; leave the row out, or give parts of type text
        {'prompt':'p','chosen':[{'role':'assistant','content':[{'type':'text','text':null}]}],'rejected':[B]} | chosen[0].content[0].text is null; give text
        {'prompt':[U],'chosen':[U],'rejected':[B]} | chosen begins with a message of user; begin it with the assistant's answer, or with all messages of the prompt
        {'prompt':[U],'chosen':[B],'rejected':[B],'images':['a.png']} | it has images, and the model reads only text; leave the row out, or the column with column_map
        {'prompt':[U],'chosen':[B],'rejected':[B],'weight':'2'} | weight is the text '2'; give a number
        {'prompt':[U],'chosen':[B],'rejected':[B],'weight':-1} | weight is -1; give 0 or more
        {'prompt':[U],'chosen':[B],'rejected':[B],'ref_chosen_logps':-1} | it has ref_chosen_logps without ref_rejected_logps; give both or none
        {'prompt':[U],'chosen':[B],'rejected':[B],'ref_chosen_logps':1,'ref_rejected_logps':-1} | ref_chosen_logps is 1; give a sum of log-probs, which is never above 0
        {'prompt':[U],'chosen':[B],'rejected':[B],'tools':{}} | tools is an object; give a list of objects
        {'prompt':[U],'chosen':[B],'rejected':[B],'tools':[1]} | tools holds 1; give a list of objects
        {'prompt':'p','chosen':'a','rejected':'b','tools':[{}]} | tools need messages, which the chat template renders with them, but the row has text; give messages, or leave tools out with column_map
        {'prompt':[U],'chosen':[B],'rejected':[B],'chat_template_kwargs':{'tools':1}} | chat_template_kwargs sets tools, which a row cannot decide; leave it out
        {'system':'a','prompt':[{'role':'system','content':'b'},U],'chosen':[B],'rejected':[B]} | the system message can be read from the column system or from the first message; leave out one of them
        {'prompt':[{'role':'user','content':'\\ud83d'}],'chosen':[B],'rejected':[B]} | prompt[0].content holds \\ud83d, half of a character; write the whole character
        {'prompt':'p','chosen':[{'role':'assistant','content':'a','weight':0}],'rejected':[B]} | chosen[0] has the weight 0; weights of single messages are not supported, so give the messages before it as the prompt
        """)
    void badValuesAreRefused(String row, String message) {
        String text = row.replace("[U]", "[" + SKY + "]")
                .replace(",U]", "," + SKY + "]")
                .replace("[B", "[" + BLUE);
        assertThatThrownBy(() -> read(text, Kind.PAIR))
                .extracting(each -> String.valueOf(each.getMessage()).replace('"', '\''))
                .asString()
                .startsWith(message);
    }

    @Test
    void readingsOfAnAmbiguousRowAreListed() {
        assertRefused(
                "{'prompt':'p','chosen':'a','rejected':'b','instruction':'i'}",
                Kind.PAIR,
                "it can be read as [prompt, chosen, rejected] or as [instruction, chosen, rejected]; leave out the columns"
                        + " of the others with column_map");
        assertRefused(
                "{'text':'a','messages':[" + SKY + "]}",
                Kind.SINGLE,
                "it can be read as [text] or as [messages]; leave out the columns of the others with column_map");
    }

    /** Rows of UltraFeedback have the prompt and the chosen answer once more, in messages. */
    @Test
    void aWholeSequenceBesideAPairRepeatsIt() throws BadRow {
        String messages = "'messages':[" + SKY + "," + BLUE + "]";
        assertFormat(
                "{'prompt':'Sky?','chosen':[BLUE],'rejected':[GREEN]," + messages + "}", "[prompt, chosen, rejected]");
        assertFormat("{'chosen':'a b','rejected':'a c','text':'a b'}", "[chosen, rejected]");
        assertFormat("{'prompt':'a','completion':'b','label':true,'text':'a b'}", "[prompt, completion, label]");
        assertFormat("{" + messages + "}", "[messages]");
        assertThatThrownBy(() -> RowFormats.find(
                        row("{'prompt':'a','completion':'b','chosen':'b','rejected':'c','text':'a b'}"),
                        EnumSet.allOf(Kind.class)))
                .hasMessageStartingWith("it can be read as [prompt, chosen, rejected] or as [prompt, completion];");
    }

    private static void assertFormat(String row, String columns) throws BadRow {
        String text = row.replace("[BLUE]", "[" + BLUE + "]").replace("[GREEN]", "[" + GREEN + "]");
        assertThat(RowFormats.find(row(text), EnumSet.allOf(Kind.class)).required())
                .hasToString(columns);
    }

    @Test
    void columnsAreRenamedAndDropped() {
        Map<String, @Nullable String> sources = new HashMap<>();
        sources.put("prompt", "question");
        sources.put("chosen", "rejected");
        sources.put("rejected", "chosen");
        sources.put("system", null);
        ColumnMap map = new ColumnMap(sources);
        ObjectNode row = row("{'question':'p','chosen':'a','rejected':'b','system':'s','prompt':'old','x':1}");
        assertThat(map.apply(row)).isEqualTo(row("{'prompt':'p','rejected':'a','chosen':'b','x':1}"));
        assertThatThrownBy(() -> new ColumnMap(Map.of("promt", "a")))
                .hasMessageStartingWith("column_map names promt, which no format reads; its names are ");
        assertThatThrownBy(() -> new ColumnMap(Map.of("prompt", "a", "chosen", "a")))
                .hasMessage("column_map reads a twice; give each name a column of its own");
    }

    /** Every format names its required columns first among the columns that it reads. */
    @Test
    void columnsIncludeThoseRequired() {
        for (RowFormat format : RowFormats.ALL) {
            assertThat(format.columns()).containsAll(format.required());
        }
        assertThat(Set.copyOf(RowFormats.ALL)).hasSameSizeAs(RowFormats.ALL);
    }
}
