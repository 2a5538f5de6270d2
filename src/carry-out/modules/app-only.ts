import { appOnly, type ModuleTools } from '../step.ts';

/** Goals live on the device alone: their table is in no app that is synced. */
export const goals: ModuleTools = {
  module: 'goals',
  appId: 'companion',
  tools: {
    create_goal: appOnly('create'),
    pause_goal: appOnly('change'),
    resume_goal: appOnly('change'),
    complete_goal: appOnly('change'),
  },
};

/** The page has to be fetched and read. */
export const news: ModuleTools = {
  module: 'news',
  appId: 'articles',
  tools: { save_news_article: appOnly('create') },
};

/** It asks a server, and leaves no record. */
export const newsResearch: ModuleTools = {
  module: 'news-research',
  appId: 'news-research',
  tools: { research_news: appOnly('spend') },
};

/** A running timer is in the memory of one device. */
export const times: ModuleTools = {
  module: 'times',
  appId: 'times',
  tools: { start_timer: appOnly('create'), stop_timer: appOnly('change') },
};

/** The event stands on a server of its own. */
export const events: ModuleTools = {
  module: 'events',
  appId: 'events',
  tools: { suggest_event: appOnly('create') },
};
