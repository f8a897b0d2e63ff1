"""The scenarios of Python's `dify-oapi2`, which reads every reply into models of its own.

Usage: python -m tests.clients.dify.oapi ENDPOINT KEY USER
The user is one that nobody else is, so that its conversations are those of these scenarios.
"""

import io
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from dify_oapi.api.chat.v1.model.chat_file import ChatFile
from dify_oapi.api.chat.v1.model.chat_request import ChatRequest
from dify_oapi.api.chat.v1.model.chat_request_body import ChatRequestBody
from dify_oapi.api.chat.v1.model.delete_conversation_request import DeleteConversationRequest
from dify_oapi.api.chat.v1.model.delete_conversation_request_body import DeleteConversationRequestBody
from dify_oapi.api.chat.v1.model.get_conversation_list_request import GetConversationsListRequest
from dify_oapi.api.chat.v1.model.get_suggested_questions_request import GetSuggestedQuestionsRequest
from dify_oapi.api.chat.v1.model.message_history_request import GetMessageHistoryRequest
from dify_oapi.api.chat.v1.model.rename_conversation_request import RenameConversationRequest
from dify_oapi.api.chat.v1.model.rename_conversation_request_body import RenameConversationRequestBody
from dify_oapi.api.chat.v1.model.stop_chat_request import StopChatRequest
from dify_oapi.api.chat.v1.model.stop_chat_request_body import StopChatRequestBody
from dify_oapi.api.completion.v1.model.completion.send_message_request import SendMessageRequest
from dify_oapi.api.completion.v1.model.completion.send_message_request_body import SendMessageRequestBody
from dify_oapi.api.dify.v1.model.get_info_request import GetInfoRequest
from dify_oapi.api.dify.v1.model.get_parameters_request import GetParametersRequest
from dify_oapi.api.dify.v1.model.submit_feedback_request import SubmitFeedbackRequest
from dify_oapi.api.dify.v1.model.submit_feedback_request_body import SubmitFeedbackRequestBody
from dify_oapi.api.dify.v1.model.upload_file_body import UploadFileBody
from dify_oapi.api.dify.v1.model.upload_file_request import UploadFileRequest
from dify_oapi.api.workflow.v1.model.get_workflow_run_detail_request import GetWorkflowRunDetailRequest
from dify_oapi.api.workflow.v1.model.run_workflow_request import RunWorkflowRequest
from dify_oapi.api.workflow.v1.model.run_workflow_request_body import RunWorkflowRequestBody
from dify_oapi.api.workflow.v1.model.stop_workflow_request import StopWorkflowRequest
from dify_oapi.api.workflow.v1.model.stop_workflow_request_body import StopWorkflowRequestBody
from dify_oapi.client import Client
from dify_oapi.core.enum import LogLevel
from dify_oapi.core.model.request_option import RequestOption

from tests.clients.dify.events import LINKED, PNG, Refused, answer_of, arrived, events, names_of
from tests.clients.openai.scenarios import by_name, run

ENDPOINT, KEY, USER = sys.argv[1:]
OPTION = RequestOption.builder().api_key(KEY).build()


def client(app: str) -> Any:
    """It adds `/v1` itself. Its log would stand among what is printed here."""
    quiet = Client.builder().log_level(LogLevel.CRITICAL).max_retry_count(0)
    return quiet.domain(f"{ENDPOINT}/apps/{app}").build()


def given(response: Any) -> Any:
    """The reply. Raises Refused."""
    if not response.success:
        raise Refused(response.raw.status_code, response.code, response.msg)
    return response


def read(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The events of a stream. Raises Refused for the reply that the client puts into one of its own making."""
    coming = iter(chunks)
    first = next(coming)
    _, is_error, reply = first.partition(b"data: [ERROR] ")
    if is_error:
        said = json.loads(reply)
        raise Refused(said["status"], said["code"], said["message"])
    yield from events(chain((first,), coming))


def question(query: str, user: str, **more: Any) -> Any:
    body = ChatRequestBody(query=query, inputs={}, user=user, **more)
    return ChatRequest.builder().request_body(body).build()


def ask(app: str, query: str = "Hello", user: str = USER, option: Any = OPTION, **more: Any) -> Any:
    return given(client(app).chat.v1.chat.chat(question(query, user, **more), option))


def stream(app: str, query: str = "Hello", **more: Any) -> list[dict[str, Any]]:
    return list(read(client(app).chat.v1.chat.chat(question(query, USER, **more), OPTION, stream=True)))


def upload(app: str) -> ChatFile:
    body = UploadFileBody.builder().user(USER).build()
    request = UploadFileRequest.builder().file(io.BytesIO(PNG), "cat.png").request_body(body).build()
    file_id = given(client(app).dify.v1.file.upload(request, OPTION)).id
    return ChatFile(type="image", transfer_method="local_file", upload_file_id=file_id)


def completed() -> Any:
    body = SendMessageRequestBody(inputs={"query": "Hello"}, user=USER)
    return SendMessageRequest.builder().request_body(body).build()


def work(inputs: dict[str, Any]) -> Any:
    """Its own model of the inputs has them one level too deep."""
    request = RunWorkflowRequest.builder().request_body(RunWorkflowRequestBody(user=USER)).build()
    request.body = {**request.body, "inputs": inputs}
    return request


def parameters() -> Any:
    request = GetParametersRequest.builder().user(USER).build()
    form = given(client("workflow").dify.v1.info.parameters(request, OPTION)).user_input_form
    return [[kind, field["variable"]] for entry in form for kind, field in entry.items()]


def info() -> Any:
    return given(client("echo").dify.v1.info.get(GetInfoRequest.builder().user(USER).build(), OPTION)).name


def blocking() -> Any:
    reply = ask("echo")
    return [reply.event, reply.mode, reply.answer]


def streamed() -> Any:
    found = stream("echo")
    return {"names": names_of(found), "answer": answer_of(found)}


def turns() -> Any:
    first = ask("echo", "one")
    second = ask("echo", "two", conversation_id=first.conversation_id)
    return [first.answer, second.answer, first.conversation_id == second.conversation_id]


def turns_of_a_stream() -> Any:
    conversation_id = stream("chatflow", "one")[0]["conversation_id"]
    second = stream("chatflow", "two", conversation_id=conversation_id)
    return [answer_of(second), {event["conversation_id"] for event in second} == {conversation_id}]


def completion() -> Any:
    return given(client("completion").completion.v1.completion.send_message(completed(), OPTION)).answer


def completion_streamed() -> Any:
    return answer_of(read(client("completion").completion.v1.completion.send_message(completed(), OPTION, True)))


def workflow() -> Any:
    reply = given(client("workflow").workflow.v1.workflow.run(work({"text": "Hello"}), OPTION))
    return [reply.data.status, reply.data.outputs]


def workflow_streamed() -> Any:
    found = list(read(client("workflow").workflow.v1.workflow.run(work({"text": "Hello"}), OPTION, stream=True)))
    return {"names": names_of(found), "outputs": found[-1]["data"]["outputs"]}


def workflow_detail() -> Any:
    api = client("workflow").workflow.v1.workflow
    run_id = given(api.run(work({"text": "Hello"}), OPTION)).workflow_run_id
    detail = given(api.detail(GetWorkflowRunDetailRequest.builder().workflow_run_id(run_id).build(), OPTION))
    return [detail.id == run_id, detail.status]


def uploaded_picture() -> Any:
    return arrived(ask("mirror", files=[upload("mirror")]).answer)


def uploaded_picture_in_a_chatflow() -> Any:
    return arrived(answer_of(stream("gallery", files=[upload("gallery")])))


def linked_picture() -> Any:
    return arrived(ask("mirror", files=[ChatFile(type="image", transfer_method="remote_url", url=LINKED)]).answer)


def stop() -> Any:
    api = client("endless").chat.v1.chat
    coming = read(api.chat(question("Hello", USER), OPTION, stream=True))
    body = StopChatRequestBody.builder().user(USER).build()
    request = StopChatRequest.builder().task_id(next(coming)["task_id"]).request_body(body).build()
    said = given(api.stop(request, OPTION)).result
    return [said, list(coming)[-1]["event"]]


def stop_of_a_workflow() -> Any:
    api = client("endless-workflow").workflow.v1.workflow
    coming = read(api.run(work({}), OPTION, stream=True))
    body = StopWorkflowRequestBody.builder().user(USER).build()
    request = StopWorkflowRequest.builder().task_id(next(coming)["task_id"]).request_body(body).build()
    said = given(api.stop(request, OPTION)).result
    last = list(coming)[-1]
    return [said, last["event"], last["data"]["status"]]


def conversations() -> Any:
    """Two of them, of which the older one is read, renamed and deleted."""
    other = f"{USER}-lists"
    api = client("echo").chat.v1.conversation
    older, newer = (ask("echo", query, user=other).conversation_id for query in ("one", "two"))

    def listed(**more: Any) -> Any:
        request = GetConversationsListRequest.builder().user(other)
        for name, value in more.items():
            getattr(request, name)(value)
        return given(api.list(request.build(), OPTION)).data

    both = [item.id for item in listed()]
    history = GetMessageHistoryRequest.builder().user(other).conversation_id(older).build()
    messages = given(api.history(history, OPTION)).data
    pages = [listed(limit=1), listed(limit=1, last_id=newer)]
    name = RenameConversationRequestBody.builder().name("Ducks").user(other).build()
    renaming = RenameConversationRequest.builder().conversation_id(older).request_body(name).build()
    given(api.rename(renaming, OPTION))
    renamed = sorted(item.name for item in listed())
    body = DeleteConversationRequestBody.builder().user(other).build()
    deletion = DeleteConversationRequest.builder().conversation_id(older).request_body(body).build()
    given(api.delete(deletion, OPTION))
    return {
        "listed": both == [newer, older],
        "messages": [[message.query, message.answer] for message in messages],
        "pages": [[item.name for item in page] for page in pages],
        "renamed": renamed,
        "left": [item.id for item in listed()] == [newer],
    }


def feedback() -> Any:
    reply = ask("echo")
    body = SubmitFeedbackRequestBody.builder().rating("like").user(USER).build()
    request = SubmitFeedbackRequest.builder().message_id(reply.message_id).request_body(body).build()
    said = given(client("echo").dify.v1.feedback.submit(request, OPTION)).result
    history = GetMessageHistoryRequest.builder().user(USER).conversation_id(reply.conversation_id).build()
    (message,) = given(client("echo").chat.v1.conversation.history(history, OPTION)).data
    return [said, message.feedback.model_dump(exclude_none=True)]


def suggested() -> Any:
    """`mirror` has every feature on."""
    request = GetSuggestedQuestionsRequest.builder().message_id(ask("mirror").message_id).user(USER).build()
    return len(given(client("mirror").chat.v1.chat.suggested(request, OPTION)).data) > 0


def bad_key() -> Any:
    return ask("echo", option=RequestOption.builder().api_key("not-the-key-of-anyone").build())


def unknown_conversation() -> Any:
    return ask("echo", conversation_id="d1f7ffff-0000-4000-8000-000000000001")


def conversation_of_another_app() -> Any:
    return ask("chatflow", conversation_id=ask("echo").conversation_id)


def no_query() -> Any:
    return ask("echo", query="")


if __name__ == "__main__":
    run(
        by_name(
            parameters,
            info,
            blocking,
            streamed,
            turns,
            turns_of_a_stream,
            completion,
            completion_streamed,
            workflow,
            workflow_streamed,
            workflow_detail,
            uploaded_picture,
            uploaded_picture_in_a_chatflow,
            linked_picture,
            stop,
            stop_of_a_workflow,
            conversations,
            feedback,
            suggested,
            bad_key,
            unknown_conversation,
            conversation_of_another_app,
            no_query,
        )
    )
